"""Listing and replaying events."""

from typing import Any

import pytest

from hostaway_pipeline.store.inbox import EventOutcome, Inbox
from tests.factories import rows
from tests.integration.store.inbox_steps import accept, delivery, filled, stored


def test_the_state_counts_pending_and_failed_events(inbox: Inbox, database_url: str) -> None:
    filled(inbox, 4)
    accept(inbox, delivery(9, event="task.created"))
    first, second = inbox.claim(2)
    inbox.record_outcomes([EventOutcome(first.id, "failed", "why")])
    rows(database_url, "UPDATE hostaway.webhook_events SET received_at = now() - interval '1 hour' WHERE id = %s "
         "RETURNING 1", second.id)  # fmt: skip

    state = inbox.state()

    assert (state.pending, state.failed, state.claimable) == (3, 1, 2)
    assert state.oldest_request_id == second.request_id
    assert state.oldest_pending_seconds is not None
    assert 3600 <= state.oldest_pending_seconds < 3700


def test_the_state_of_an_empty_inbox_is_that_nothing_is_pending(inbox: Inbox) -> None:
    state = inbox.state()
    assert (state.pending, state.failed, state.claimable) == (0, 0, 0)
    assert (state.oldest_pending_seconds, state.oldest_request_id) == (None, None)


def test_the_newest_events_are_paged_without_gaps_and_without_payloads(inbox: Inbox) -> None:
    filled(inbox, 7)
    pages: list[dict[str, Any]] = []
    while page := inbox.newest(limit=3, before=pages[-1]["id"] if pages else None):
        pages += page
        accept(inbox, delivery(100 + len(pages)))  # new ones do not move what is paged
    assert [event["object_id"] for event in pages] == [7, 6, 5, 4, 3, 2, 1]
    assert all("payload" not in event for event in pages)


def test_the_newest_events_can_be_filtered_by_account_or_status(inbox: Inbox) -> None:
    accept(inbox, delivery(1), delivery(2, account_id=2), delivery(3, event="task.created"))
    assert [event["object_id"] for event in inbox.newest(account_id=1)] == [3, 1]
    assert [event["object_id"] for event in inbox.newest(status="pending")] == [2, 1]
    assert [event["object_id"] for event in inbox.newest(account_id=2, status="ignored")] == []


@pytest.fixture
def settled(inbox: Inbox) -> dict[str, int]:
    """One event of each status, by status: ids."""
    filled(inbox, 4)
    accept(inbox, delivery(5, event="task.created"))
    claimed = inbox.claim(3)
    statuses = ("applied", "stale", "failed")
    inbox.record_outcomes([EventOutcome(event.id, status) for event, status in zip(claimed, statuses, strict=True)])  # type: ignore[arg-type]
    return {event["status"]: event["id"] for event in inbox.newest()}


def test_replay_makes_events_pending_again_as_if_new(inbox: Inbox, settled: dict[str, int], database_url: str) -> None:
    assert inbox.replay([settled["applied"], settled["failed"], settled["ignored"], 10**9]) == 2
    replayed = [event for event in stored(database_url) if event["id"] in (settled["applied"], settled["failed"])]
    assert {event["status"] for event in replayed} == {"pending"}
    assert {(event["attempts"], event["error"], event["applied_at"]) for event in replayed} == {(0, None, None)}
    assert {event.id for event in inbox.claim(10)} == {settled["applied"], settled["failed"], settled["pending"]}


def test_replaying_failed_events_leaves_the_rest(inbox: Inbox, settled: dict[str, int]) -> None:
    assert inbox.replay(failed=True, account_id=2) == 0
    assert inbox.replay(failed=True) == 1
    assert {event.id for event in inbox.claim(10)} == {settled["failed"], settled["pending"]}


def test_replaying_nothing_does_nothing(inbox: Inbox, settled: dict[str, int]) -> None:
    assert inbox.replay() == 0
    assert inbox.replay([settled["applied"]], account_id=2) == 0
