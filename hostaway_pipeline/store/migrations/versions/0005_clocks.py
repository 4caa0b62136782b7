"""Add what decides which content is newer when clocks are wrong.

Rows with a source time ahead of our clock accept no update: that time is removed, so that the next read decides.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)
INDEXED = {
    "listings": ["account_id"],
    "reservations": ["account_id"],
    "conversations": ["account_id"],
    "messages": ["account_id", "conversation_id"],
}


def upgrade() -> None:
    comment = "In doubt since then: a clock disagrees, or no read has confirmed it; null: settled"
    for entity, columns in INDEXED.items():
        op.add_column(entity, sa.Column("unsettled_at", INSTANT, comment=comment), schema=SCHEMA)
        op.create_index(
            f"{entity}_unsettled", entity, columns, schema=SCHEMA, postgresql_where=sa.text("unsettled_at IS NOT NULL")
        )
        op.execute(
            f"UPDATE {SCHEMA}.{entity} SET source_updated_at = NULL, unsettled_at = coalesce(read_at, updated_at) "  # noqa: S608
            "WHERE source_updated_at > coalesce(read_at, updated_at) + interval '1 minute'"
        )
    comment = "Start of the newest complete pass: it proved every row that it did not write"
    op.add_column("sweeps", sa.Column("proven_at", INSTANT, comment=comment), schema=SCHEMA)
    op.execute(f"UPDATE {SCHEMA}.sweeps SET known_until = NULL WHERE known_until > finished_at + interval '1 minute'")  # noqa: S608


def downgrade() -> None:
    op.drop_column("sweeps", "proven_at", schema=SCHEMA)
    for entity in INDEXED:
        op.drop_index(f"{entity}_unsettled", entity, schema=SCHEMA)
        op.drop_column(entity, "unsettled_at", schema=SCHEMA)
