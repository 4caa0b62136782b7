"""Add the learned pace of a rate scope, the daily rereads of messages, and the circuit breaker of an account.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _add("rate_scopes", sa.Column("pace", sa.Integer, comment="Learned from 429s: requests per window; null: as set"))
    _add("rate_scopes", sa.Column("pace_changed_at", INSTANT, comment="When the pace fell or rose last"))
    _add("rate_scopes", sa.Column("interactive_at", INSTANT, comment="When somebody last did interactive work"))
    _add(
        "rate_scopes",
        sa.Column("interactive_slot", INSTANT, comment="The newest permission given to interactive work"),
    )
    _add("sweeps", sa.Column("known_until", INSTANT, comment="Hostaway's newest change that a complete read has seen"))
    _add("conversations", sa.Column("messages_reread_at", INSTANT, comment="Last read without a moved marker"))
    _add(
        "accounts",
        sa.Column("failures", sa.Integer, nullable=False, server_default="0", comment="Failed syncs in a row"),
    )
    _add("accounts", sa.Column("paused_until", INSTANT, comment="Circuit breaker: no sync by itself before then"))


def downgrade() -> None:
    for table, column in (
        ("accounts", "paused_until"),
        ("accounts", "failures"),
        ("conversations", "messages_reread_at"),
        ("sweeps", "known_until"),
        ("rate_scopes", "interactive_slot"),
        ("rate_scopes", "interactive_at"),
        ("rate_scopes", "pace_changed_at"),
        ("rate_scopes", "pace"),
    ):
        op.drop_column(table, column, schema=SCHEMA)


def _add(table: str, column: sa.Column[object]) -> None:
    op.add_column(table, column, schema=SCHEMA)
