"""When the databases were backed up.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

SCHEMA = "hostaway"


def upgrade() -> None:
    op.create_table(
        "backups",
        sa.Column("began_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        schema=SCHEMA,
        comment="Backups by `hostaway db backup`",
    )


def downgrade() -> None:
    op.drop_table("backups", schema=SCHEMA)
