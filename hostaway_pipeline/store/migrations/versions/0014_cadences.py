"""Add cadences: due times per account and mode, in the place of one due time per account.

A sync that was requested and has not started yet stays requested.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    account_id = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    op.create_table(
        "cadences",
        sa.Column("account_id", sa.BigInteger, account_id, primary_key=True),
        sa.Column("mode", sa.Text, primary_key=True, comment="full, reconcile, refresh, listings, calendar"),
        sa.Column("every", sa.Interval, comment="The account's own period; null: as set for all"),
        sa.Column("at", sa.Time, comment="The account's own time of day for reconciles; null: in the window"),
        sa.Column("next_due_at", INSTANT, comment="On the account's grid, moved by a success; null: on request only"),
        sa.Column("requested_at", INSTANT, comment="A request that no success has answered yet"),
        sa.Column("lease_until", INSTANT, comment="Nobody else claims the account before then"),
        sa.Column("claimed_by", sa.Text, comment="Run that holds the lease; null: a wait after a failure"),
        sa.Column("succeeded_at", INSTANT, comment="Start of the newest success: the copy is as of then"),
        sa.Column("last_interval", sa.Interval, comment="Time between the starts of the two newest successes"),
        schema=SCHEMA,
        comment="Accounts that are due are claimed by sweeper runs, the most urgent first",
    )
    op.create_index("cadences_due", "cadences", ["mode", "next_due_at"], schema=SCHEMA)
    op.create_index(
        "cadences_requested",
        "cadences",
        ["requested_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("requested_at IS NOT NULL"),
    )
    op.create_table(
        "sweeper_places",
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("reserved_until", INSTANT, nullable=False, comment="Time for a requested run to appear in Dagster"),
        schema=SCHEMA,
        comment="One row per sweeper run that may exist at a time: two schedules cannot start a run for the same place",
    )
    op.execute(
        "INSERT INTO hostaway.cadences (account_id, mode, requested_at) "
        "SELECT account_id, coalesce(next_mode, 'reconcile'), now() "
        "FROM hostaway.accounts WHERE next_due_at IS NOT NULL"
    )
    op.drop_column("accounts", "next_due_at", schema=SCHEMA)
    op.drop_column("accounts", "next_mode", schema=SCHEMA)


def downgrade() -> None:
    op.add_column(
        "accounts",
        sa.Column("next_due_at", INSTANT, comment="When the next sync is due; null: only when asked for"),
        schema=SCHEMA,
    )
    op.add_column(
        "accounts",
        sa.Column("next_mode", sa.Text, comment="The mode that was asked for; null: reconcile"),
        schema=SCHEMA,
    )
    op.execute(
        "UPDATE hostaway.accounts AS account SET next_due_at = requested_at, next_mode = mode FROM hostaway.cadences "
        "AS cadence WHERE cadence.account_id = account.account_id AND mode IN ('full', 'reconcile', 'refresh') "
        "AND requested_at IS NOT NULL"
    )
    op.drop_table("sweeper_places", schema=SCHEMA)
    op.drop_table("cadences", schema=SCHEMA)
