"""The tables of schema `hostaway`. What migrations build must equal this, and a test says so."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "hostaway"
metadata = MetaData(schema=SCHEMA)
Instant = DateTime(timezone=True)


def _account_id(**options: Any) -> Column[int]:
    return Column("account_id", BigInteger, ForeignKey(f"{SCHEMA}.accounts.account_id", ondelete="CASCADE"), **options)


def _entity(name: str, *columns: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        _account_id(primary_key=True),
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("customer_id", Uuid, nullable=False),
        *columns,
        Column("raw_payload", JSONB, nullable=False, comment="What Hostaway sent, without secrets"),
        Column("content_hash", LargeBinary, nullable=False, comment="Of the payload without volatile keys"),
        Column("source_updated_at", Instant, comment="When Hostaway says the object changed last"),
        Column("created_at", Instant, nullable=False, server_default=func.now()),
        Column(
            "updated_at",
            Instant,
            nullable=False,
            server_default=func.now(),
            comment="When content changed here",
        ),
        Column("deleted_at", Instant, comment="When a complete sweep no longer found the object"),
    )


accounts = Table(
    "accounts",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("customer_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Column("name", Text),
    Column("is_active", Boolean, nullable=False, server_default="true"),
    Column("client_secret", Text, comment="Encrypted"),
    Column("access_token", Text, comment="Encrypted"),
    Column("token_expires_at", Instant),
    Column("webhook_id", BigInteger),
    Column("webhook_login", Text),
    Column("webhook_password", Text, comment="Encrypted"),
    Column("failures", Integer, nullable=False, server_default="0", comment="Failed syncs in a row"),
    Column("paused_until", Instant, comment="Circuit breaker: no sync by itself before then"),
    Column("next_due_at", Instant, comment="When the next sync is due; null: only when asked for"),
    Column("last_sync_at", Instant, comment="Since when the whole copy is known to be complete"),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("updated_at", Instant, nullable=False, server_default=func.now()),
)

listings = _entity(
    "listings",
    Column("name", Text),
    Column("internal_name", Text),
    Column("address", Text),
    Column("city", Text),
    Column("country_code", Text),
    Column("time_zone", Text),
    Column("currency", Text),
    Column("price", Numeric),
    Column("person_capacity", BigInteger),
    Column("bedrooms", BigInteger),
    Column("special_status", Text),
)

reservations = _entity(
    "reservations",
    Column("listing_id", BigInteger, comment="May name a listing that Hostaway's list does not return"),
    Column("channel_id", BigInteger),
    Column("channel_name", Text),
    Column("channel_reservation_id", Text, comment="The channel's own id, a string"),
    Column("confirmation_code", Text),
    Column("status", Text, comment="Revenue counts `new` and `modified` only"),
    Column("guest_name", Text),
    Column("number_of_guests", BigInteger),
    Column("arrival_date", Date),
    Column("departure_date", Date),
    Column("nights", BigInteger),
    Column("total_price", Numeric),
    Column("currency", Text),
    Column("is_paid", Boolean),
    Column("reserved_at", Instant),
)

conversations = _entity(
    "conversations",
    Column("reservation_id", BigInteger, comment="Null for an enquiry"),
    Column("listing_id", BigInteger),
    Column("type", Text),
    Column("recipient_name", Text),
    Column("has_unread_messages", Boolean),
    Column("message_sent_at", Instant, comment="Marker: newest message of the host"),
    Column("message_received_at", Instant, comment="Marker: newest message of the guest"),
)
for _column in (
    Column("messages_synced_at", Instant, comment="Start of the last complete read of the messages"),
    Column("messages_reread_at", Instant, comment="Last read without a moved marker"),
    Column("messages_read_sent_at", Instant, comment="Marker message_sent_at as it stood at that read"),
    Column("messages_read_received_at", Instant, comment="Marker message_received_at as it stood at that read"),
    Column("messages_read_count", Integer, comment="Messages that Hostaway counted at that read"),
):
    conversations.append_column(_column)

messages = _entity(
    "messages",
    Column("conversation_id", BigInteger),
    Column("reservation_id", BigInteger),
    Column("listing_id", BigInteger),
    Column("communication_type", Text),
    Column("status", Text),
    Column("is_incoming", Boolean),
    Column("body", Text),
    Column("sent_at", Instant),
)

Index("reservations_listing", reservations.c.account_id, reservations.c.listing_id)
Index("conversations_reservation", conversations.c.account_id, conversations.c.reservation_id)
Index("messages_conversation", messages.c.account_id, messages.c.conversation_id)
Index("messages_reservation", messages.c.account_id, messages.c.reservation_id)

ENTITY_TABLES = {table.name: table for table in (listings, reservations, conversations, messages)}

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _account_id(nullable=False),
    Column("mode", Text, nullable=False),
    Column("source", Text, nullable=False, comment="cli, dagster"),
    Column("dagster_run_id", Text),
    Column("status", Text, nullable=False, comment="running, succeeded, incomplete, failed, interrupted"),
    Column("started_at", Instant, nullable=False, server_default=func.now()),
    Column(
        "baseline_at",
        Instant,
        nullable=False,
        comment="Messages read since then are not read again by this run",
    ),
    Column("finished_at", Instant),
    Column("api_calls", Integer),
    Column("http_429", Integer),
    Column("entities", JSONB, nullable=False, server_default="{}", comment="Counts per entity"),
    Column("error", Text),
)
Index("sync_runs_account", sync_runs.c.account_id, sync_runs.c.started_at.desc())

sweeps = Table(
    "sweeps",
    metadata,
    _account_id(primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=False),
    Column("is_complete", Boolean, nullable=False),
    Column("server_count", BigInteger, comment="What Hostaway counted"),
    Column("seen_count", BigInteger, nullable=False, comment="Distinct rows that the sweep saw"),
    Column("table_count", BigInteger, nullable=False, comment="Live rows in the table once the sweep was done"),
    Column("held_back", BigInteger, nullable=False, comment="Rows that look deleted but were not marked"),
    Column("reason", Text, comment="Why the sweep is not complete or rows were held back"),
    Column("known_until", Instant, comment="Hostaway's newest change that a complete read has seen"),
    comment="The newest sweep of each list: what the asset checks read",
)

rate_scopes = Table(
    "rate_scopes",
    metadata,
    Column("scope", Text, primary_key=True, comment="account:<id> or ip:<egress>"),
    Column("slots", ARRAY(Instant), nullable=False, comment="The newest permissions given, oldest first"),
    Column("paused_until", Instant, comment="Set by a 429"),
    Column("interactive_at", Instant, comment="When somebody last did interactive work"),
    Column("interactive_slot", Instant, comment="The newest permission given to interactive work"),
    Column("pace", Integer, comment="Learned from 429s: requests per window; null: as set"),
    Column("pace_changed_at", Instant, comment="When the pace fell or rose last"),
    comment="The rate limiter of all processes",
)

key_canaries = Table(
    "key_canaries",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("ciphertext", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    comment="A known text under each encryption key in use, to tell a wrong key at the start",
)
