"""From an event to what it wants: an entity, a row or a read, its parents, or nothing and why."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hostaway_pipeline.domain.entities import LISTINGS, MESSAGES, RESERVATIONS
from hostaway_pipeline.domain.events import ENTITY_OF_EVENT
from hostaway_pipeline.store.inbox import ClaimedEvent
from hostaway_pipeline.sync.push import handlers
from hostaway_pipeline.sync.push.handlers import HANDLERS, Intent
from tests.factories import reservation

RECEIVED = datetime(2026, 6, 3, tzinfo=UTC)
MESSAGE = {
    "id": 9,
    "conversationId": 5,
    "reservationId": 7,
    "listingMapId": 40,
    "communicationType": "email",
    "status": "sent",
    "isIncoming": 1,
    "body": "Hello",
    "date": "2026-06-02 10:00:00",
    "updatedOn": "2026-06-02 10:00:00",
}


def intent(event: str, payload: dict[str, Any]) -> Intent:
    claimed = ClaimedEvent(3, 59808, event, payload["id"], payload, RECEIVED, 1, "request")
    return HANDLERS[event](claimed)


def test_every_known_event_has_a_handler():
    assert HANDLERS.keys() == ENTITY_OF_EVENT.keys()


def test_every_handler_of_a_single_event_is_in_use():
    assert handlers._OF_EVENT.keys() <= ENTITY_OF_EVENT.keys()


@pytest.mark.parametrize("event", sorted(ENTITY_OF_EVENT))
def test_a_handler_is_about_the_entity_that_the_event_is_about(event):
    wanted = intent(event, {"id": 4})
    assert wanted.entity is ENTITY_OF_EVENT[event]
    assert wanted.candidate.event_id == wanted.event.id == 3


@pytest.mark.parametrize("event", ["reservation.created", "reservation.updated", "reservation.cancelled"])
def test_a_reservation_is_a_row_that_names_its_listing(event):
    wanted = intent(
        event, reservation(status="cancelled", numberOfGuests=2, confirmationCode=None, reservationDate=None)
    )
    assert wanted.candidate.row is not None
    assert (wanted.candidate.row.id, wanted.listing_id, wanted.ignore_reason) == (1, 40, None)
    assert not wanted.candidate.is_incomplete


def test_a_row_was_read_when_its_event_was_received():
    """Of equal source times the content that was asked for, or received, later wins."""
    row = intent("reservation.updated", reservation()).candidate.row
    assert row is not None
    assert row.read_at == RECEIVED


def test_a_payload_that_lacks_what_a_column_needs_is_incomplete():
    """Fields that are filled in later: a null is a value, a missing key is not."""
    payload = reservation(numberOfGuests=None, confirmationCode=None, reservationDate=None)
    assert not intent("reservation.updated", payload).candidate.is_incomplete
    del payload["guestName"]
    assert intent("reservation.updated", payload).candidate.is_incomplete


@pytest.mark.parametrize(("entity", "event"), [(LISTINGS, "listing.updated"), (RESERVATIONS, "reservation.updated"),
                                               (MESSAGES, "message.received")])  # fmt: skip
def test_whoever_has_the_keys_of_all_columns_is_complete(entity, event):
    payload = {key: None for key, _ in entity.columns.values()} | {"id": 1}
    assert not intent(event, payload).candidate.is_incomplete


def test_a_deleted_listing_is_asked_for_rather_than_believed():
    """The event may be old, and the listing back."""
    wanted = intent("listing.deleted", {"id": 40})
    assert (wanted.candidate.row, wanted.ignore_reason) == (None, None)


@pytest.mark.parametrize("event", ["message.received", "message.created"])
def test_a_message_names_its_conversation(event):
    wanted = intent(event, MESSAGE)
    assert (wanted.conversation_id, wanted.ignore_reason) == (5, None)


@pytest.mark.parametrize("status", ["awaiting", "paused", "cancelled_by_user", "cancelled_by_system", "failed"])
def test_a_message_that_is_not_sent_is_none_yet(status):
    """Hostaway's own lists hide it."""
    assert intent("message.created", MESSAGE | {"status": status}).ignore_reason == "the message is not sent"


def test_a_message_that_does_not_tell_its_status_is_taken():
    assert intent("message.received", MESSAGE | {"status": None}).ignore_reason is None


@pytest.mark.parametrize("conversation_id", [None, "", "x"])
def test_a_message_without_a_conversation_is_ignored(conversation_id):
    wanted = intent("message.received", MESSAGE | {"conversationId": conversation_id})
    assert wanted.ignore_reason == "it names no conversation"
