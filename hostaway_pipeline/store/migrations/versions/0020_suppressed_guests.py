"""The guests that were erased, as keyed hashes.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

SCHEMA = "hostaway"


def upgrade() -> None:
    account_id = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    op.create_table(
        "suppressed_guests",
        sa.Column("account_id", sa.BigInteger, account_id, primary_key=True),
        sa.Column("hash", sa.LargeBinary, primary_key=True, comment="Keyed hash of the identity"),
        sa.Column(
            "key_id",
            sa.Text,
            nullable=False,
            comment="Of the encryption key that the hash's key is derived from",
        ),
        sa.Column("kind", sa.Text, nullable=False, comment="channel, email, phone, reservation, conversation"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
        comment="Identities of erased guests: what names one of them is stored without the guest",
    )


def downgrade() -> None:
    op.drop_table("suppressed_guests", schema=SCHEMA)
