"""Add the table of the listings' calendars.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)
STATUSES = "available, reserved, blocked, pending, hardBlock, conflicted, mblocked, mreserved"


def upgrade() -> None:
    account_id = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    night = "The night that begins on this day, in the listing's time zone"
    one_unit = "null for a listing with one unit"
    op.create_table(
        "calendar_days",
        sa.Column("account_id", sa.BigInteger, account_id, primary_key=True),
        sa.Column("listing_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("date", sa.Date, primary_key=True, comment=night),
        sa.Column("is_available", sa.Boolean),
        sa.Column("status", sa.Text, comment=STATUSES),
        sa.Column("price", sa.Numeric, comment="In the listing's currency"),
        sa.Column("minimum_stay", sa.BigInteger, comment="Nights"),
        sa.Column("maximum_stay", sa.BigInteger, comment="Nights"),
        sa.Column("total_units", sa.BigInteger, comment=f"The listing's units; {one_unit}"),
        sa.Column("available_units", sa.BigInteger, comment=f"Units left to sell; {one_unit}"),
        sa.Column("blocked_units", sa.BigInteger, comment=one_unit.capitalize()),
        sa.Column("pending_units", sa.BigInteger, comment=f"Units of open requests; {one_unit}"),
        sa.Column("read_at", INSTANT, nullable=False, comment="When this content was asked for"),
        sa.Column(
            "updated_at", INSTANT, nullable=False, server_default=sa.func.now(), comment="When content changed here"
        ),
        schema=SCHEMA,
        comment="The listings' calendars, as read on request; days that are past stay as they were last read",
    )


def downgrade() -> None:
    op.drop_table("calendar_days", schema=SCHEMA)
