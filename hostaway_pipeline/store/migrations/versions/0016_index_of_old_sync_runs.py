"""Old sync runs are found by their start.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"

SCHEMA = "hostaway"


def upgrade() -> None:
    op.create_index("sync_runs_started", "sync_runs", ["started_at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index("sync_runs_started", table_name="sync_runs", schema=SCHEMA)
