"""Add the daily deletion budget of an account.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

SCHEMA = "hostaway"


def upgrade() -> None:
    op.create_table(
        "deletion_budgets",
        sa.Column("account_id", sa.BigInteger, primary_key=True),
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="When the day began: with its first deletion",
        ),
        sa.Column("live", sa.BigInteger, nullable=False, comment="The most rows that lived since then"),
        sa.Column("marked", sa.BigInteger, nullable=False, comment="Rows that were marked as deleted since then"),
        sa.ForeignKeyConstraint(["account_id"], [f"{SCHEMA}.accounts.account_id"], ondelete="CASCADE"),
        schema=SCHEMA,
        comment="How many rows of each table may still go today",
    )


def downgrade() -> None:
    op.drop_table("deletion_budgets", schema=SCHEMA)
