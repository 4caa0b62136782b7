"""Maps each kind of event to the row it carries and the parent objects it needs.

domain/verdicts.py decides what to do with them, given what is stored. A new kind of event is a line in
`ENTITY_OF_EVENT` of domain/events.py; a function of its own here only where it differs from the others of its entity.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hostaway_pipeline.domain.entities import LISTINGS, MESSAGES, RESERVATIONS, Entity
from hostaway_pipeline.domain.events import ENTITY_OF_EVENT
from hostaway_pipeline.domain.values import as_int
from hostaway_pipeline.domain.verdicts import Candidate
from hostaway_pipeline.store.inbox import ClaimedEvent


@dataclass(frozen=True, slots=True)
class Intent:
    """What one event asks for; `ignore_reason`: why nothing. The parents, where set, should be stored, too."""

    event: ClaimedEvent
    entity: Entity
    candidate: Candidate
    listing_id: int | None = None
    conversation_id: int | None = None
    ignore_reason: str | None = None


def listing_changed(event: ClaimedEvent) -> Intent:
    return Intent(event, LISTINGS, _candidate(event, LISTINGS))


def listing_deleted(event: ClaimedEvent) -> Intent:
    """Needs a read by id: the event may be old, and the listing exist again."""
    return Intent(event, LISTINGS, Candidate(event.id, row=None))


def reservation_changed(event: ClaimedEvent) -> Intent:
    """Created, updated or cancelled: the status is an ordinary field."""
    listing_id = as_int(event.payload.get("listingMapId"))
    return Intent(event, RESERVATIONS, _candidate(event, RESERVATIONS), listing_id=listing_id)


def message_arrived(event: ClaimedEvent) -> Intent:
    """A scheduled message does not count: Hostaway's own lists hide it until it is sent."""
    status = event.payload.get("status")
    conversation_id = as_int(event.payload.get("conversationId"))
    ignore_reason = "it names no conversation" if conversation_id is None else None
    if status is not None and status != "sent":
        ignore_reason = "the message is not sent"
    return Intent(
        event, MESSAGES, _candidate(event, MESSAGES), conversation_id=conversation_id, ignore_reason=ignore_reason
    )


Handler = Callable[[ClaimedEvent], Intent]

_OF_ENTITY: Mapping[str, Handler] = {
    LISTINGS.name: listing_changed,
    RESERVATIONS.name: reservation_changed,
    MESSAGES.name: message_arrived,
}
_OF_EVENT: Mapping[str, Handler] = {"listing.deleted": listing_deleted}

# Derived, so that an event without a handler fails at import.
HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {event: _OF_EVENT.get(event) or _OF_ENTITY[entity.name] for event, entity in ENTITY_OF_EVENT.items()}
)


def _candidate(event: ClaimedEvent, entity: Entity) -> Candidate:
    """A payload is complete when it has every indispensable key that a column is read from. Null counts as present."""
    keys = frozenset(event.payload)
    needed = {key for key, _ in entity.columns.values()} - entity.dispensable
    return Candidate(event.id, entity.row(event.payload, event.received_at), keys, is_incomplete=not needed <= keys)
