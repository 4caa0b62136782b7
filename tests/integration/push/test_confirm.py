"""Confirming by id: two 404s prove a deletion, and the daily budget limits how many rows are deleted."""

import pytest

from hostaway_pipeline.domain.entities import LISTINGS
from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.apply import Confirmation
from hostaway_pipeline.sync.push.confirm import Confirmer
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import OpenSandbox, assert_equal_to_source, rows, synced

ACCOUNT = 59808
BY_ID = "/v1/reservations/{id}"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:3:20")


def deliver_ids(services: Services, *reservation_ids: int) -> None:
    """Deliver events that have only an id, so that each needs a read."""
    for reservation_id in reservation_ids:
        body = {"object": "reservation", "event": "reservation.updated", "accountId": ACCOUNT}
        services.inbox.accept([(parse_delivery(body | {"data": {"id": reservation_id}}), "request-1")])


def deliver_message_id(services: Services, conversation_id: int, message_id: int) -> None:
    body = {"object": "conversationMessage", "event": "message.received", "accountId": ACCOUNT}
    payload = {"id": message_id, "conversationId": conversation_id}
    services.inbox.accept([(parse_delivery(body | {"data": payload}), "request-1")])


def drain_inbox(services: Services) -> None:
    assert drain(services, lambda _: None, linger=0).is_alone


def tombstones(url: str, entity: str = "reservations") -> set[int]:
    return {row["id"] for row in rows(url, f"SELECT id FROM hostaway.{entity} WHERE deleted_at IS NOT NULL")}


def events(url: str) -> list[tuple[str, int]]:
    found = rows(url, "SELECT status, attempts FROM hostaway.webhook_events ORDER BY id")
    return [(event["status"], event["attempts"]) for event in found]


def test_an_object_missing_in_two_reads_is_deleted(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    gone = next(iter(account.reservations))
    account.delete_reservation(gone)
    deliver_ids(services, gone)
    drain_inbox(services)
    assert tombstones(database_url) == {gone}
    assert events(database_url) == [("applied", 0)]
    assert sandbox.counters.calls()[BY_ID] == 2


def test_an_object_missing_in_one_read_is_read_again(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    sandbox.faults.update(odd_answers={BY_ID: "404"}, odd_answers_left=1)
    deliver_ids(services, next(iter(account.reservations)))
    drain_inbox(services)
    assert tombstones(database_url) == set()
    assert events(database_url) == [("applied", 0)]


def test_a_message_of_conversation_0_does_not_answer_for_other_objects(
    services: Services, account: Account, database_url: str
) -> None:
    """Hostaway has no such conversation: its 404 must not count as that of a reservation in the same batch."""
    gone = next(iter(account.reservations))
    account.delete_reservation(gone)
    deliver_message_id(services, 0, 7)
    deliver_ids(services, gone)
    drain_inbox(services)
    assert tombstones(database_url) == {gone}


def test_a_listing_that_hostaway_refuses_is_not_read_again_by_the_same_drainer(
    sandbox: SandboxServer, services: Services
) -> None:
    confirmer = Confirmer(services)
    for _ in range(2):
        confirmer.add(ACCOUNT, [Confirmation(LISTINGS, 123_456_789)])
        while confirmer.is_busy:
            confirmer.collect(1)
    assert sandbox.counters.calls() == {"/v1/listings/{id}": 2}  # a 404 is confirmed by a second read


@pytest.mark.parametrize("oddity", ["html-404", "html", "null", "empty"])
@pytest.mark.parametrize("kind", ["reservation", "message", "conversation"])
def test_a_malformed_answer_deletes_nothing_however_often_it_comes(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str, kind: str, oddity: str
) -> None:
    conversation = next(one for one in account.conversations.values() if one.visible())
    thread = f"/v1/conversations/{conversation.id}"
    message = conversation.visible()[0].id
    path = {"reservation": BY_ID, "message": f"{thread}/messages/{message}", "conversation": thread}[kind]
    sandbox.faults.update(odd_answers={path: oddity})
    if kind == "reservation":
        deliver_ids(services, next(iter(account.reservations)))
    else:
        deliver_message_id(services, conversation.id, message)
    if kind == "conversation":  # its message waits for it
        rows(
            database_url,
            "UPDATE hostaway.conversations SET deleted_at = now() WHERE id = %s RETURNING 1",
            conversation.id,
        )
    drain_inbox(services)
    assert events(database_url) == [("pending", 1)]
    assert tombstones(database_url) == set()
    assert tombstones(database_url, "messages") == set()


def delete_eight(services: Services, account: Account) -> list[int]:
    """Delete more reservations than a day's budget allows, and deliver an event for each; returns their ids."""
    gone = list(account.reservations)[:8]
    for reservation_id in gone:
        account.delete_reservation(reservation_id)
    deliver_ids(services, *gone)
    return gone


def test_deletions_beyond_the_daily_budget_wait_and_say_why(
    services: Services, account: Account, database_url: str
) -> None:
    delete_eight(services, account)

    drain_inbox(services)

    assert len(tombstones(database_url)) == 5
    assert sorted(events(database_url)) == [("applied", 0)] * 5 + [("pending", 0)] * 3
    query = "SELECT error, retry_at > now() + interval '50 minutes' AS waits FROM hostaway.webhook_events "
    waiting = rows(database_url, query + "WHERE status = 'pending'")
    assert all(event["waits"] for event in waiting)
    assert all("is not found, but 3 of 20 rows" in event["error"] for event in waiting)
    assert all("at most 5 may be deleted in a day" in event["error"] for event in waiting)


def test_waiting_deletions_happen_the_next_day(services: Services, account: Account, sandbox: SandboxServer,
                                         database_url: str) -> None:  # fmt: skip
    gone = delete_eight(services, account)
    drain_inbox(services)
    rows(database_url, "UPDATE hostaway.deletion_budgets SET since = since - interval '25 hours' RETURNING 1")
    rows(database_url, "UPDATE hostaway.webhook_events SET retry_at = NULL WHERE status = 'pending' RETURNING 1")
    drain_inbox(services)
    assert tombstones(database_url) == set(gone)
    assert events(database_url) == [("applied", 0)] * 8
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_waiting_deletions_end_when_mass_deletion_is_allowed(
    services: Services, account: Account, database_url: str
) -> None:
    delete_eight(services, account)
    drain_inbox(services)
    synced(services, ACCOUNT, mode="reconcile", allow_mass_delete=True)
    rows(database_url, "UPDATE hostaway.webhook_events SET retry_at = NULL WHERE status = 'pending' RETURNING 1")
    drain_inbox(services)
    assert events(database_url) == [("applied", 0)] * 8
