"""Rows that were deleted at Hostaway are found by the time of their deletion.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

SCHEMA = "hostaway"
TABLES = ("reservations", "conversations", "messages")


def upgrade() -> None:
    for table in TABLES:
        is_deleted = sa.text("deleted_at IS NOT NULL")
        op.create_index(f"{table}_deleted", table, ["deleted_at"], schema=SCHEMA, postgresql_where=is_deleted)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"{table}_deleted", table_name=table, schema=SCHEMA)
