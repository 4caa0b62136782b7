"""The inbox gives each event to one drainer, and takes it back when that drainer dies."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import MAX_ATTEMPTS, EventOutcome, Inbox, hold_events
from tests.factories import reservation, rows
from tests.integration.store.inbox_steps import filled, stored


def test_the_oldest_events_are_claimed_first_with_all_their_fields(inbox: Inbox) -> None:
    filled(inbox, 5)
    claimed = inbox.claim(3)
    assert [event.object_id for event in claimed] == [1, 2, 3]
    first = claimed[0]
    assert (first.account_id, first.event, first.attempts, first.request_id) == (
        1,
        "reservation.updated",
        0,
        "request-0",
    )
    assert first.payload == reservation(1)
    assert first.received_at.tzinfo is not None


def test_an_event_stays_claimed_however_long_it_waits(inbox: Inbox, database_url: str) -> None:
    filled(inbox, 2)
    assert len(inbox.claim(10)) == 2
    rows(database_url, "UPDATE hostaway.webhook_events SET claimed_at = now() - interval '1 day' RETURNING 1")
    assert inbox.claim(10) == []
    assert (inbox.state().claimable, inbox.state().claimed) == (0, 2)


def test_a_drainer_that_ends_releases_its_events_without_counting_an_attempt(inbox: Inbox) -> None:
    filled(inbox, 2)
    inbox.claim(10)
    inbox.release(has_died=False)
    assert [event.attempts for event in inbox.claim(10)] == [0, 0]


def test_an_event_begun_by_a_dead_drainer_is_tried_alone_and_a_waiting_one_has_no_attempt(
    inbox: Inbox, database: Database, database_url: str
) -> None:
    filled(inbox, 3)
    begun, waiting, again = inbox.claim(3)
    with database.transaction() as connection:
        hold_events(connection, [waiting.id, again.id])
    inbox.begin([again.id])
    inbox.release(has_died=True)
    assert [event.id for event in inbox.claim(10)] == [waiting.id]
    assert [(event.id, event.attempts) for event in inbox.claim(1, has_failed=True)] == [(begun.id, 1)]
    assert [(event.id, event.attempts) for event in inbox.claim(1, has_failed=True)] == [(again.id, 1)]
    assert stored(database_url)[0]["error"] == "the process that worked on it ended"


def test_an_event_that_kills_its_drainers_fails_in_the_end(inbox: Inbox, database_url: str) -> None:
    filled(inbox, 1)
    for number in range(MAX_ATTEMPTS):
        assert len(inbox.claim(1, has_failed=number > 0)) == 1
        inbox.release(has_died=True)
    row = stored(database_url)[0]
    assert (row["status"], row["attempts"], row["applied_at"] is None) == ("failed", MAX_ATTEMPTS, False)
    assert inbox.claim(1, has_failed=True) == []


def test_two_drainers_never_hold_the_same_event(inbox: Inbox, new_database: Any) -> None:
    filled(inbox, 400)
    barrier = threading.Barrier(4)

    def claim_all(_: int) -> list[int]:
        barrier.wait()
        mine: list[int] = []
        while claimed := inbox.claim(7):
            mine += [event.id for event in claimed]
        return mine

    with ThreadPoolExecutor(4) as pool:
        everything = [event_id for mine in pool.map(claim_all, range(4)) for event_id in mine]
    assert len(everything) == len(set(everything))
    # Skipped while another claim had locked them: the next claim finds them.
    everything += [event.id for event in inbox.claim(400)]
    assert len(set(everything)) == len(everything) == 400


def test_events_that_another_claim_has_locked_are_skipped(inbox: Inbox, database_url: str) -> None:
    filled(inbox, 3)
    with psycopg.connect(database_url) as other:
        other.execute(b"SELECT FROM hostaway.webhook_events WHERE object_id = 1 FOR UPDATE")
        assert [event.object_id for event in inbox.claim(10)] == [2, 3]
        other.rollback()
    assert [event.object_id for event in inbox.claim(10)] == [1]


def test_events_claimed_by_a_dead_drainer_are_released_and_waiting_ones_go_on_waiting(
    inbox: Inbox, database_url: str
) -> None:
    filled(inbox, 2)
    waiting, _ = inbox.claim(2)
    inbox.record_outcomes([EventOutcome(waiting.id, "pending", "not now", again_in=300)])
    assert inbox.claim(2) == []
    inbox.release(has_died=True)
    assert [event.object_id for event in inbox.claim(2, has_failed=True)] == [2]
