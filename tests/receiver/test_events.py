"""The inbox over HTTP: listing page by page, and replay."""

from typing import Any

import pytest

from hostaway_pipeline.services import Services
from tests.factories import add_account, reservation, rows
from tests.receiver.steps import OTHER_ACCOUNT, Receiver, delivery, events


@pytest.fixture
def filled_inbox(receiver: Receiver, services: Services, database_url: str) -> Receiver:
    """Reservations 1 to 6: applied, stale, failed, failed, pending, pending; a task; another account's, failed."""
    add_account(services, OTHER_ACCOUNT)
    for number in range(1, 7):
        assert receiver.deliver(delivery(reservation(number, guestName="Ann Guest"))).ok
    assert receiver.deliver(delivery({"id": 1}, "task.created")).ok
    other = services.webhooks.ensure_credential(OTHER_ACCOUNT)
    assert receiver.deliver(delivery(accountId=OTHER_ACCOUNT), other).ok
    found = events(database_url)
    statuses = ["applied", "stale", "failed", "failed", "pending", "pending", "ignored", "failed"]
    for event, status in zip(found, statuses, strict=True):
        rows(
            database_url,
            "UPDATE hostaway.webhook_events SET status = %s, attempts = 5, "
            "error = CASE WHEN %s = 'failed' THEN 'the reason' END WHERE id = %s RETURNING 1",
            status,
            status,
            event["id"],
        )
    return receiver


def listed(receiver: Receiver, query: str = "") -> list[dict[str, Any]]:
    answer = receiver.api("GET", f"/events{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


def test_the_newest_come_first_without_their_payloads(filled_inbox: Receiver) -> None:
    answer = filled_inbox.api("GET", "/events")
    shown = answer.json()
    assert (shown["pending"], shown["failed"], len(shown["events"])) == (2, 3, 8)
    assert [event["object_id"] for event in shown["events"]] == [1, 1, 6, 5, 4, 3, 2, 1]
    assert shown["events"][0]["error"] == "the reason"
    assert shown["events"][0]["request_id"]
    assert "payload" not in shown["events"][0]
    assert "Ann" not in answer.text


def test_events_can_be_filtered_by_account_and_status(filled_inbox: Receiver) -> None:
    assert len(listed(filled_inbox, f"?account_id={OTHER_ACCOUNT}")) == 1
    assert [event["object_id"] for event in listed(filled_inbox, "?status=pending")] == [6, 5]
    assert [event["event"] for event in listed(filled_inbox, "?status=ignored")] == ["task.created"]
    assert listed(filled_inbox, "?account_id=4711") == []


def test_pages_follow_by_the_last_id(filled_inbox: Receiver) -> None:
    everything = listed(filled_inbox)
    first = listed(filled_inbox, "?limit=3")
    second = listed(filled_inbox, f"?limit=5&before={first[-1]['id']}")
    assert first + second == everything


@pytest.mark.parametrize(
    "query", ["?limit=0", "?limit=1001", "?before=0", "?status=lost", "?account_id=9223372036854775808"]
)
def test_an_invalid_query_is_422(receiver: Receiver, query: str) -> None:
    assert receiver.api("GET", f"/events{query}").status_code == 422


def test_replayed_events_are_pending_again(filled_inbox: Receiver, database_url: str) -> None:
    ids = {event["object_id"]: event["id"] for event in reversed(listed(filled_inbox, "?account_id=59808"))}
    answer = filled_inbox.api("POST", "/events/replay", {"ids": [ids[3], ids[2], ids[2]]})
    assert (answer.status_code, answer.json()) == (200, {"pending_again": 2})
    again = [event for event in events(database_url) if event["object_id"] in (2, 3)]
    assert {(event["status"], event["attempts"], event["error"]) for event in again} == {("pending", 0, None)}


def test_all_failed_events_can_be_replayed_for_one_account_or_for_all(filled_inbox: Receiver) -> None:
    one = filled_inbox.api("POST", "/events/replay", {"failed": True, "account_id": OTHER_ACCOUNT})
    assert one.json() == {"pending_again": 1}
    assert filled_inbox.api("POST", "/events/replay", {"failed": True}).json() == {"pending_again": 2}
    assert filled_inbox.api("POST", "/events/replay", {"failed": True}).json() == {"pending_again": 0}


def test_ignored_events_are_not_replayed(filled_inbox: Receiver) -> None:
    [task] = listed(filled_inbox, "?status=ignored")
    assert filled_inbox.api("POST", "/events/replay", {"ids": [task["id"]]}).json() == {"pending_again": 0}


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": [1], "failed": True}, {"ids": ["x"]}, {"ids": [0]}, {"all": True}]
)
def test_a_replay_needs_either_ids_or_failed(receiver: Receiver, body: dict[str, Any]) -> None:
    assert receiver.api("POST", "/events/replay", body).status_code == 422
