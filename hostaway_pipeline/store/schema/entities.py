"""The four tables that analysts query, one row per object at Hostaway."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_pipeline.store.schema.base import Instant, account_id, metadata


def _entity(name: str, *columns: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        account_id(primary_key=True),
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("customer_id", Uuid, nullable=False),
        *columns,
        Column("raw_payload", JSONB, nullable=False, comment="What Hostaway sent, without secrets"),
        Column("content_hash", LargeBinary, nullable=False, comment="Of the payload without volatile keys"),
        Column("source_updated_at", Instant, comment="When Hostaway says the object changed last"),
        Column("read_at", Instant, comment="When this content was asked for or received: settles equal source times"),
        Column(
            "unsettled_at",
            Instant,
            comment="In doubt since then: a clock disagrees, or no read has confirmed it; null: settled",
        ),
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
    Column("bathrooms", Numeric),
    Column("room_type", Text),
    Column("cleaning_fee", Numeric),
    Column("unit_count", BigInteger, comment="Units of a multi-unit listing; null for a single unit"),
    Column("unit_listing_ids", ARRAY(BigInteger), comment="Listings that are units of this one"),
    Column("inserted_at", Instant, comment="When it was added at Hostaway"),
    Column("latest_activity_at", Instant, comment="As of the present content: it moves without any change"),
    Column("archived_at", Instant, comment="When a read first showed it archived after one that did not"),
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
    Column("guest_id", Uuid, comment="The guest in hostaway.guests; null: nothing identifies the guest"),
    Column("guest_email", Text),
    Column("guest_phone", Text),
    Column("guest_external_id", Text, comment="The channel's id of the guest"),
    Column("guest_country", Text),
    Column("adults", BigInteger),
    Column("children", BigInteger),
    Column("infants", BigInteger),
    Column("unit_count", BigInteger, comment="Units that it takes; null: not told"),
    Column("is_dates_unspecified", Boolean, comment="True: the dates are placeholders"),
    Column("tax_amount", Numeric),
    Column("cleaning_fee", Numeric),
    Column("channel_commission", Numeric),
    Column("payment_status", Text),
    Column("inserted_at", Instant, comment="When it was added at Hostaway"),
    Column("cancelled_on", Date),
    Column("cancelled_by", Text),
    Column(
        "finance_read_at", Instant, comment="Since then the finance lines are those of the content; null: not known"
    ),
    Column("finance_tried_at", Instant, comment="When the finance lines could not be read by id the last time"),
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
    Column("communication_id", BigInteger, comment="The automation that sent it; null: a person"),
    Column("communication_event", Text, comment="What the automation reacted to"),
    Column("sent_using_hostaway", Boolean),
    Column("inserted_at", Instant, comment="When it was added at Hostaway"),
)

Index("reservations_updated", reservations.c.account_id, reservations.c.updated_at)
Index("reservations_listing", reservations.c.account_id, reservations.c.listing_id)
Index("conversations_reservation", conversations.c.account_id, conversations.c.reservation_id)
Index("messages_conversation", messages.c.account_id, messages.c.conversation_id)
Index("messages_reservation", messages.c.account_id, messages.c.reservation_id)

# Partial indexes stay tiny: few rows are in doubt. Messages are found by conversation, which is read again.
for _table in (listings, reservations, conversations):
    Index(f"{_table.name}_unsettled", _table.c.account_id, postgresql_where=_table.c.unsettled_at.is_not(None))
Index(
    "messages_unsettled",
    messages.c.account_id,
    messages.c.conversation_id,
    postgresql_where=messages.c.unsettled_at.is_not(None),
)

# Rows that were deleted at Hostaway, which lose their guests in time.
for _table in (reservations, conversations, messages):
    Index(f"{_table.name}_deleted", _table.c.deleted_at, postgresql_where=_table.c.deleted_at.is_not(None))

# Reservations whose finance lines a refresh reads by id: see finance_to_read.sql. It is empty where lists carry them.
Index(
    "reservations_finance_unread",
    reservations.c.account_id,
    reservations.c.arrival_date,
    postgresql_where=text(
        "finance_read_at IS NULL AND deleted_at IS NULL AND status IN "
        "('new', 'modified', 'ownerStay', 'awaitingPayment', 'awaitingGuestVerification', 'cancelled')"
    ),
)

ENTITY_TABLES = {table.name: table for table in (listings, reservations, conversations, messages)}
