"""The four kinds of objects that are copied, and how a payload becomes a row.

Each entity lists its columns: the name in Postgres, the key in the payload and how its value is read.
store/schema/entities.py declares the same columns with their types; a test compares the two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson

from hostaway_pipeline.domain.clocks import Version, plausible_time
from hostaway_pipeline.domain.payloads import VOLATILE_KEYS, Payload, content_hash, sanitize
from hostaway_pipeline.domain.values import (
    as_bool,
    as_date,
    as_decimal,
    as_instant,
    as_int,
    as_length,
    as_text,
    ids_under,
    newest,
)

Reader = Callable[[Any], Any]
FINANCE = "financeField"  # the key of a reservation's finance lines


@dataclass(frozen=True, slots=True)
class Row:
    """One object, ready for its table. `payload` is JSON text without secrets; `values` follow `Entity.columns`.

    `source_updated_at`: by Hostaway's clock; None, and `is_ahead` set, when that time lies implausibly in the future.
    """

    id: int
    payload: str
    content_hash: bytes
    source_updated_at: datetime | None
    values: tuple[Any, ...]
    read_at: datetime | None = None  # when it was requested or received, by the database's clock; None: unknown
    keys: frozenset[str] = frozenset()
    is_ahead: bool = False
    finance_read_at: datetime | None = None  # `read_at` of a payload that carried `financeField`
    content: Payload = field(default_factory=dict, repr=False, compare=False)  # `payload` before it became text

    @property
    def version(self) -> Version:
        return Version(self.source_updated_at, self.read_at)


@dataclass(frozen=True, slots=True)
class Entity:
    name: str
    columns: Mapping[str, tuple[str, Reader]]  # column -> (key in the payload, reader)
    source_updated: Callable[[Payload], datetime | None]
    embedded: frozenset[str] = frozenset()  # keys of nested resources that have a table of their own
    optional: frozenset[str] = frozenset()  # keys that webhooks carry and lists may lack: their absence is no change
    dispensable: frozenset[str] = frozenset()  # keys of columns that an event may lack without a read by id

    def row(self, payload: Payload, read_at: datetime | None = None) -> Row | None:
        """Parse a payload. None when it has no usable id, or is nested too deeply to be written as JSON again."""
        object_id = as_int(payload.get("id"))
        if object_id is None:
            return None
        try:
            return self._row(object_id, payload, read_at)
        except (orjson.JSONEncodeError, RecursionError):
            return None

    def complete(self, row: Row, stored: Payload) -> Row:
        """Add the stored keys that the row's payload lacks. The row keeps its own times."""
        missing = {key: value for key, value in stored.items() if key not in row.keys and key not in VOLATILE_KEYS}
        return self.with_content(row, missing | orjson.loads(row.payload)) if missing else row

    def with_content(self, row: Row, content: Payload) -> Row:
        """The row with another content. It keeps its own times."""
        return replace(
            self._row(row.id, content, None),
            source_updated_at=row.source_updated_at,
            read_at=row.read_at,
            is_ahead=row.is_ahead,
            finance_read_at=row.finance_read_at,
        )

    def _row(self, object_id: int, payload: Payload, read_at: datetime | None) -> Row:
        kept = sanitize({key: value for key, value in payload.items() if key not in self.embedded})
        source_time = self.source_updated(kept)
        source_updated_at = plausible_time(source_time, read_at)
        return Row(
            id=object_id,
            payload=orjson.dumps(kept).decode(),
            content_hash=content_hash(kept, self.optional),
            source_updated_at=source_updated_at,
            values=tuple(read(kept.get(key)) for key, read in self.columns.values()),
            read_at=read_at,
            keys=frozenset(kept),
            is_ahead=source_time is not source_updated_at,
            finance_read_at=read_at if FINANCE in self.optional and FINANCE in kept else None,
            content=kept,
        )


def _newest_instant(*keys: str) -> Callable[[Payload], datetime | None]:
    return lambda payload: newest(*(as_instant(payload.get(key)) for key in keys))


def _first_instant(*keys: str) -> Callable[[Payload], datetime | None]:
    return lambda payload: next((found for key in keys if (found := as_instant(payload.get(key)))), None)


as_unit_listing_ids = ids_under("listingMapIdUnit")

LISTINGS = Entity(
    "listings",
    MappingProxyType(
        {
            "name": ("name", as_text),
            "internal_name": ("internalListingName", as_text),
            "address": ("address", as_text),
            "city": ("city", as_text),
            "country_code": ("countryCode", as_text),
            "time_zone": ("timeZoneName", as_text),
            "currency": ("currencyCode", as_text),
            "price": ("price", as_decimal),
            "person_capacity": ("personCapacity", as_int),
            "bedrooms": ("bedroomsNumber", as_int),
            "special_status": ("specialStatus", as_text),
            "bathrooms": ("bathroomsNumber", as_decimal),
            "room_type": ("roomType", as_text),
            "cleaning_fee": ("cleaningFee", as_decimal),
            "unit_count": ("listingUnits", as_length),
            "unit_listing_ids": ("listingUnits", as_unit_listing_ids),
            "inserted_at": ("insertedOn", as_instant),
            "latest_activity_at": ("latestActivityOn", as_instant),
        }
    ),
    # The published listing has no `updatedOn`; `latestActivityOn` is the closest substitute, where it exists.
    _first_instant("updatedOn", "latestActivityOn"),
    dispensable=frozenset(
        {"bathroomsNumber", "roomType", "cleaningFee", "listingUnits", "insertedOn", "latestActivityOn"}
    ),
)

RESERVATIONS = Entity(
    "reservations",
    MappingProxyType(
        {
            "listing_id": ("listingMapId", as_int),
            "channel_id": ("channelId", as_int),
            "channel_name": ("channelName", as_text),
            "channel_reservation_id": ("reservationId", as_text),
            "confirmation_code": ("confirmationCode", as_text),
            "status": ("status", as_text),
            "guest_name": ("guestName", as_text),
            "number_of_guests": ("numberOfGuests", as_int),
            "arrival_date": ("arrivalDate", as_date),
            "departure_date": ("departureDate", as_date),
            "nights": ("nights", as_int),
            "total_price": ("totalPrice", as_decimal),
            "currency": ("currency", as_text),
            "is_paid": ("isPaid", as_bool),
            "reserved_at": ("reservationDate", as_instant),
            "guest_email": ("guestEmail", as_text),
            "guest_phone": ("phone", as_text),
            "guest_external_id": ("guestExternalAccountId", as_text),
            "guest_country": ("guestCountry", as_text),
            "adults": ("adults", as_int),
            "children": ("children", as_int),
            "infants": ("infants", as_int),
            "unit_count": ("reservationUnit", as_length),
            "is_dates_unspecified": ("isDatesUnspecified", as_bool),
            "tax_amount": ("taxAmount", as_decimal),
            "cleaning_fee": ("cleaningFee", as_decimal),
            "channel_commission": ("channelCommissionAmount", as_decimal),
            "payment_status": ("paymentStatus", as_text),
            "inserted_at": ("insertedOn", as_instant),
            "cancelled_on": ("cancellationDate", as_date),
            "cancelled_by": ("cancelledBy", as_text),
        }
    ),
    _first_instant("updatedOn"),
    optional=frozenset({FINANCE}),
    dispensable=frozenset(
        {
            *("guestEmail", "phone", "guestExternalAccountId", "guestCountry", "adults", "children", "infants"),
            *("reservationUnit", "isDatesUnspecified", "taxAmount", "cleaningFee", "channelCommissionAmount"),
            *("paymentStatus", "insertedOn", "cancellationDate", "cancelledBy"),
        }
    ),
)

CONVERSATIONS = Entity(
    "conversations",
    MappingProxyType(
        {
            "reservation_id": ("reservationId", as_int),
            "listing_id": ("listingMapId", as_int),
            "type": ("type", as_text),
            "recipient_name": ("recipientName", as_text),
            "has_unread_messages": ("hasUnreadMessages", as_bool),
            "message_sent_at": ("messageSentOn", as_instant),
            "message_received_at": ("messageReceivedOn", as_instant),
        }
    ),
    _newest_instant("messageSentOn", "messageReceivedOn"),
    embedded=frozenset({"Reservation", "conversationMessages"}),
)

MESSAGES = Entity(
    "messages",
    MappingProxyType(
        {
            "conversation_id": ("conversationId", as_int),
            "reservation_id": ("reservationId", as_int),
            "listing_id": ("listingMapId", as_int),
            "communication_type": ("communicationType", as_text),
            "status": ("status", as_text),
            "is_incoming": ("isIncoming", as_bool),
            "body": ("body", as_text),
            "sent_at": ("date", as_instant),
            "communication_id": ("communicationId", as_int),
            "communication_event": ("communicationEvent", as_text),
            "sent_using_hostaway": ("sentUsingHostaway", as_bool),
            "inserted_at": ("insertedOn", as_instant),
        }
    ),
    _first_instant("updatedOn"),
    dispensable=frozenset({"communicationId", "communicationEvent", "sentUsingHostaway", "insertedOn"}),
)

ENTITIES: Mapping[str, Entity] = MappingProxyType(
    {entity.name: entity for entity in (LISTINGS, RESERVATIONS, CONVERSATIONS, MESSAGES)}
)
