"""Create the accounts, the four entities, and the view of message threads.

Revision ID: 0001
Revises: None
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

SCHEMA = "hostaway"
INSTANT = sa.DateTime(timezone=True)
ENTITIES = ("listings", "reservations", "conversations", "messages")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("customer_id", sa.Uuid, nullable=False, server_default=sa.func.gen_random_uuid()),
        sa.Column("name", sa.Text),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default="true"),
        sa.Column("client_secret", sa.Text, comment="Encrypted"),
        sa.Column("access_token", sa.Text, comment="Encrypted"),
        sa.Column("token_expires_at", INSTANT),
        sa.Column("webhook_id", sa.BigInteger),
        sa.Column("webhook_login", sa.Text),
        sa.Column("webhook_password", sa.Text, comment="Encrypted"),
        sa.Column("next_due_at", INSTANT, comment="When the next sync is due; null: only when asked for"),
        sa.Column("last_sync_at", INSTANT, comment="Since when the whole copy is known to be complete"),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", INSTANT, nullable=False, server_default=sa.func.now()),
        schema=SCHEMA,
    )
    _create_entity(
        "listings",
        sa.Column("name", sa.Text),
        sa.Column("internal_name", sa.Text),
        sa.Column("address", sa.Text),
        sa.Column("city", sa.Text),
        sa.Column("country_code", sa.Text),
        sa.Column("time_zone", sa.Text),
        sa.Column("currency", sa.Text),
        sa.Column("price", sa.Numeric),
        sa.Column("person_capacity", sa.BigInteger),
        sa.Column("bedrooms", sa.BigInteger),
        sa.Column("special_status", sa.Text),
    )
    _create_entity(
        "reservations",
        sa.Column("listing_id", sa.BigInteger, comment="May name a listing that Hostaway's list does not return"),
        sa.Column("channel_id", sa.BigInteger),
        sa.Column("channel_name", sa.Text),
        sa.Column("channel_reservation_id", sa.Text, comment="The channel's own id, a string"),
        sa.Column("confirmation_code", sa.Text),
        sa.Column("status", sa.Text, comment="Revenue counts `new` and `modified` only"),
        sa.Column("guest_name", sa.Text),
        sa.Column("number_of_guests", sa.BigInteger),
        sa.Column("arrival_date", sa.Date),
        sa.Column("departure_date", sa.Date),
        sa.Column("nights", sa.BigInteger),
        sa.Column("total_price", sa.Numeric),
        sa.Column("currency", sa.Text),
        sa.Column("is_paid", sa.Boolean),
        sa.Column("reserved_at", INSTANT),
    )
    _create_entity(
        "conversations",
        sa.Column("reservation_id", sa.BigInteger, comment="Null for an enquiry"),
        sa.Column("listing_id", sa.BigInteger),
        sa.Column("type", sa.Text),
        sa.Column("recipient_name", sa.Text),
        sa.Column("has_unread_messages", sa.Boolean),
        sa.Column("message_sent_at", INSTANT, comment="Marker: newest message of the host"),
        sa.Column("message_received_at", INSTANT, comment="Marker: newest message of the guest"),
    )
    _create_entity(
        "messages",
        sa.Column("conversation_id", sa.BigInteger),
        sa.Column("reservation_id", sa.BigInteger),
        sa.Column("listing_id", sa.BigInteger),
        sa.Column("communication_type", sa.Text),
        sa.Column("status", sa.Text),
        sa.Column("is_incoming", sa.Boolean),
        sa.Column("body", sa.Text),
        sa.Column("sent_at", INSTANT),
    )
    for name, table, column in (
        ("reservations_listing", "reservations", "listing_id"),
        ("conversations_reservation", "conversations", "reservation_id"),
        ("messages_conversation", "messages", "conversation_id"),
        ("messages_reservation", "messages", "reservation_id"),
    ):
        op.create_index(name, table, ["account_id", column], schema=SCHEMA)
    op.execute(
        """
        CREATE VIEW hostaway.message_threads AS
        SELECT account_id, reservation_id, jsonb_agg(raw_payload ORDER BY sent_at, id) AS raw_messages
        FROM hostaway.messages
        WHERE deleted_at IS NULL AND reservation_id IS NOT NULL
        GROUP BY account_id, reservation_id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW hostaway.message_threads")
    for name in (*ENTITIES, "accounts"):
        op.drop_table(name, schema=SCHEMA)


def _create_entity(name: str, *columns: sa.Column[Any]) -> None:
    owner = sa.ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE")
    op.create_table(
        name,
        sa.Column("account_id", sa.BigInteger, owner, primary_key=True),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        *columns,
        sa.Column("raw_payload", JSONB, nullable=False, comment="What Hostaway sent, without secrets"),
        sa.Column("content_hash", sa.LargeBinary, nullable=False, comment="Of the payload without volatile keys"),
        sa.Column("source_updated_at", INSTANT, comment="When Hostaway says the object changed last"),
        sa.Column("created_at", INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column(
            "updated_at",
            INSTANT,
            nullable=False,
            server_default=sa.func.now(),
            comment="When content changed here",
        ),
        sa.Column("deleted_at", INSTANT, comment="When a complete sweep no longer found the object"),
        schema=SCHEMA,
    )
