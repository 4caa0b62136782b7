"""Add the fence that lets only one process send a message.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# Where two keys claimed the same message at Hostaway, the older key keeps it.
_ONE_CLAIM_EACH = """
    UPDATE hostaway.outbound_messages AS later SET message_id = NULL
    WHERE EXISTS (
        SELECT FROM hostaway.outbound_messages AS earlier
        WHERE earlier.account_id = later.account_id AND earlier.message_id = later.message_id AND earlier.id < later.id
    )
"""
# For unclear attempts of older versions, ids_before can only be rebuilt from the tables.
_KNOWN_BEFORE = """
    UPDATE hostaway.outbound_messages AS outbound SET ids_before = ARRAY(
        SELECT known.id FROM hostaway.messages AS known
        WHERE known.account_id = outbound.account_id AND known.conversation_id = outbound.conversation_id
          AND known.created_at < outbound.created_at
    )
    WHERE outbound.status IN ('sending', 'unclear')
"""


def upgrade() -> None:
    op.add_column(
        "outbound_messages",
        sa.Column(
            "ids_before",
            sa.ARRAY(sa.BigInteger),
            nullable=False,
            server_default="{}",
            comment="Messages that the conversation held before the attempt",
        ),
        schema="hostaway",
    )
    op.add_column(
        "outbound_messages",
        sa.Column("claimed_until", sa.DateTime(timezone=True), comment="Lease of the sender that waits for its turn"),
        schema="hostaway",
    )
    op.execute(_ONE_CLAIM_EACH)
    op.execute(_KNOWN_BEFORE)
    op.create_index(
        "outbound_messages_message",
        "outbound_messages",
        ["account_id", "message_id"],
        unique=True,
        schema="hostaway",
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_index(
        "outbound_messages_conversation",
        "outbound_messages",
        ["account_id", "conversation_id"],
        schema="hostaway",
    )


def downgrade() -> None:
    op.drop_index("outbound_messages_conversation", "outbound_messages", schema="hostaway")
    op.drop_index("outbound_messages_message", "outbound_messages", schema="hostaway")
    op.drop_column("outbound_messages", "claimed_until", schema="hostaway")
    op.drop_column("outbound_messages", "ids_before", schema="hostaway")
