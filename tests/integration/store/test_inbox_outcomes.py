"""An event's outcome ends it, delays it or counts an attempt."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hostaway_pipeline.store.inbox import MAX_ATTEMPTS, EventOutcome, Inbox
from tests.factories import rows
from tests.integration.store.inbox_steps import filled, make_claimable, stored


@pytest.mark.parametrize("status", ["applied", "stale", "ignored", "failed"])
def test_an_event_with_an_outcome_is_not_claimed_again(inbox: Inbox, database_url: str, status: Any) -> None:
    filled(inbox, 1)
    event = inbox.claim(1)[0]
    inbox.record_outcomes([EventOutcome(event.id, status, "why")])
    make_claimable(database_url)
    assert inbox.claim(1) == []
    row = stored(database_url)[0]
    assert (row["status"], row["error"], row["attempts"]) == (status, "why", 0)
    assert row["applied_at"] is not None


def test_a_waiting_event_is_claimable_after_its_retry_time(inbox: Inbox, database_url: str) -> None:
    filled(inbox, 1)
    event = inbox.claim(1)[0]
    inbox.record_outcomes([EventOutcome(event.id, "pending", "not now", again_in=300)])
    row = stored(database_url)[0]
    wait = rows(database_url, "SELECT extract(epoch FROM retry_at - now())::int AS wait FROM hostaway.webhook_events")
    assert (row["status"], row["error"], row["attempts"], row["applied_at"]) == ("pending", "not now", 0, None)
    assert 200 <= wait[0]["wait"] <= 300
    assert inbox.claim(1) == []


def test_a_failure_outside_the_event_is_not_an_attempt(inbox: Inbox, database_url: str) -> None:
    """However long the API is down, no event fails because of it."""
    filled(inbox, 1)
    for _ in range(8):
        event = inbox.claim(1)[0]
        assert event.attempts == 0
        inbox.record_outcomes([EventOutcome(event.id, "pending", "the API is away", again_in=0)])
    assert stored(database_url)[0]["attempts"] == 0


def test_an_event_that_fails_itself_is_retried_with_growing_delays_and_fails_in_the_end(
    inbox: Inbox, database_url: str
) -> None:
    filled(inbox, 1)
    waits = []
    for number in range(MAX_ATTEMPTS):
        event = inbox.claim(1, has_failed=number > 0)[0]
        before = datetime.now(UTC)
        inbox.record_outcomes([EventOutcome(event.id, "pending", "broken", is_attempt=True)])
        slow = (datetime.now(UTC) - before).total_seconds()
        retry_at = stored(database_url)[0]["retry_at"]
        waits.append((retry_at and (retry_at - before).total_seconds(), slow))
        make_claimable(database_url)
    row = stored(database_url)[0]
    assert (row["status"], row["attempts"]) == ("failed", MAX_ATTEMPTS)
    assert row["error"] == "failed 5 times, the last time with broken"
    for expected, (wait, slow) in zip((5, 10, 20, 40), waits, strict=False):
        assert expected - 1 <= wait <= expected + 1 + slow


def test_an_outcome_is_recorded_once(inbox: Inbox, database_url: str) -> None:
    """A drainer that was taken for dead comes late: the other one's outcome stays."""
    filled(inbox, 1)
    event = inbox.claim(1)[0]
    inbox.record_outcomes([EventOutcome(event.id, "applied")])
    inbox.record_outcomes(
        [EventOutcome(event.id, "pending", "late", again_in=1), EventOutcome(event.id, "failed", "late")]
    )
    assert (stored(database_url)[0]["status"], stored(database_url)[0]["error"]) == ("applied", None)


def test_recording_no_outcomes_does_nothing(inbox: Inbox) -> None:
    inbox.record_outcomes([])
