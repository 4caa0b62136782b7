"""Which of Hostaway's logs of changes were read.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

SCHEMA = "hostaway"


def upgrade() -> None:
    account = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    outcomes = "whole, cut, contradictory, missing; failed: tried again in a day"
    op.create_table(
        "reservation_trails",
        sa.Column("account_id", sa.BigInteger, account, primary_key=True),
        sa.Column("reservation_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("outcome", sa.Text, nullable=False, comment=outcomes),
        sa.Column("entries", sa.Integer, nullable=False, comment="How many entries Hostaway's log had"),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False, comment="When it was asked for"),
        schema=SCHEMA,
        comment="Reservations whose log of changes was read, for the time before they were copied",
    )


def downgrade() -> None:
    op.drop_table("reservation_trails", schema=SCHEMA)
