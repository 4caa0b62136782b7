"""Record which egress names were refused together: they stand for one IP address.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

SCHEMA, TABLE = "hostaway", "rate_scopes"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for column in (
        sa.Column("refused_at", INSTANT, comment="The newest 429 within the limit, which this scope is blamed for"),
        sa.Column("refused_after", sa.Integer, comment="How many requests of its window had got through"),
        sa.Column("refused_limit", sa.Integer, comment="How many were allowed then, as set or learned"),
        sa.Column("shared_with", sa.ARRAY(sa.Text), comment="Scopes that seem to have the same IP address"),
        sa.Column("shared_at", INSTANT, comment="When that was last seen"),
    ):
        op.add_column(TABLE, column, schema=SCHEMA)


def downgrade() -> None:
    for name in ("shared_at", "shared_with", "refused_limit", "refused_after", "refused_at"):
        op.drop_column(TABLE, name, schema=SCHEMA)
