"""Indexes for what is asked often, so that no answer needs all events or all sync runs.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

SCHEMA = "hostaway"
NEWEST_FIRST, LATEST_FIRST = sa.text("id DESC"), sa.text("started_at DESC")
FAILED, RUNNING = sa.text("status = 'failed'"), sa.text("status = 'running'")


def upgrade() -> None:
    op.create_index("webhook_events_failed", "webhook_events", ["id"], schema=SCHEMA, postgresql_where=FAILED)
    op.drop_index("sync_runs_account", table_name="sync_runs", schema=SCHEMA)
    op.create_index("sync_runs_newest", "sync_runs", ["account_id", NEWEST_FIRST], schema=SCHEMA)
    op.create_index("sync_runs_newest_of_mode", "sync_runs", ["account_id", "mode", NEWEST_FIRST], schema=SCHEMA)
    op.create_index("sync_runs_running", "sync_runs", ["account_id"], schema=SCHEMA, postgresql_where=RUNNING)


def downgrade() -> None:
    for name in ("sync_runs_running", "sync_runs_newest_of_mode", "sync_runs_newest"):
        op.drop_index(name, table_name="sync_runs", schema=SCHEMA)
    op.create_index("sync_runs_account", "sync_runs", ["account_id", LATEST_FIRST], schema=SCHEMA)
    op.drop_index("webhook_events_failed", table_name="webhook_events", schema=SCHEMA)
