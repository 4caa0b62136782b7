"""The inbox stores each delivery once, gives each event to one drainer, loses none and keeps none for ever."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.domain.events import BadDelivery, Delivery, parse_delivery
from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.security.keyring import Keyring, generate_key
from hostaway_pipeline.store.accounts.accounts import Accounts
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import MAX_ATTEMPTS, EventOutcome, Inbox, hold_events
from hostaway_pipeline.store.outbox import Outbox
from tests.factories import reservation, rows

NEWEST = b"SELECT payload::text FROM hostaway.webhook_events ORDER BY id DESC LIMIT 1"
FIELDS = "SELECT * FROM hostaway.webhook_events ORDER BY id"


@pytest.fixture
def inbox(database: Database, database_url: str) -> Inbox:
    """The inbox of two active accounts, 1 and 2."""
    for account_id in (1, 2):
        rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING 1", account_id)
    return Inbox(database)


def delivery(
    object_id: int = 1, *, account_id: int = 1, event: str = "reservation.updated", **changes: Any
) -> Delivery:
    data = reservation(object_id, **changes)
    return parse_delivery({"object": "reservation", "event": event, "accountId": account_id, "data": data})


def accept(inbox: Inbox, *deliveries: Delivery) -> int:
    return inbox.accept([(one, f"request-{number}") for number, one in enumerate(deliveries)])


def filled(inbox: Inbox, count: int) -> None:
    assert accept(inbox, *(delivery(number) for number in range(1, count + 1))) == count


def stored(url: str) -> list[dict[str, Any]]:
    return rows(url, FIELDS)


def make_claimable(url: str) -> None:
    """End all waits and release all claims."""
    past = "now() - interval '1 second'"
    rows(url, f"UPDATE hostaway.webhook_events SET claimed_at = NULL, retry_at = {past} RETURNING 1")


# Accepting


def test_a_delivery_becomes_a_pending_event(inbox: Inbox, database_url: str) -> None:
    assert accept(inbox, delivery(5, guestName="Zoë", doorCode="1234")) == 1
    event = stored(database_url)[0]
    shown = {
        key: event[key] for key in ("account_id", "event", "object", "object_id", "status", "attempts", "request_id")
    }
    assert shown == {
        "account_id": 1,
        "event": "reservation.updated",
        "object": "reservation",
        "object_id": 5,
        "status": "pending",
        "attempts": 0,
        "request_id": "request-0",
    }
    assert event["payload"] == reservation(5, guestName="Zoë")
    assert (event["error"], event["applied_at"], event["claimed_at"]) == (None, None, None)


def test_an_ignored_delivery_has_its_outcome_at_once_and_says_why(inbox: Inbox, database_url: str) -> None:
    assert accept(inbox, delivery(event="task.created")) == 1
    event = stored(database_url)[0]
    assert (event["status"], event["error"]) == ("ignored", "tasks are not copied")
    assert event["applied_at"] is not None
    assert inbox.claim(10) == []


def test_a_repetition_is_stored_once(inbox: Inbox, database_url: str) -> None:
    """Hostaway may deliver twice, and again after an answer that was lost."""
    assert [accept(inbox, delivery()) for _ in range(3)] == [1, 0, 0]
    assert len(stored(database_url)) == 1


def test_a_delivery_repeats_only_the_newest_event_of_its_object(inbox: Inbox, database_url: str) -> None:
    """A, B, A: the reservation really changed back."""
    a, b = delivery(status="new"), delivery(status="cancelled")
    assert [accept(inbox, one) for one in (a, b, a, a, b)] == [1, 1, 1, 0, 1]
    assert [event["payload"]["status"] for event in stored(database_url)] == ["new", "cancelled", "new", "cancelled"]


def test_a_change_of_volatile_keys_makes_another_event(inbox: Inbox) -> None:
    assert accept(inbox, delivery()) == 1
    assert accept(inbox, delivery(updatedOn="2026-06-02 10:00:01")) == 1


def test_objects_accounts_and_kinds_do_not_repeat_each_other(inbox: Inbox) -> None:
    assert accept(inbox, delivery(1), delivery(2), delivery(1, account_id=2)) == 3


def test_repetitions_within_a_batch_are_dropped_and_the_rest_is_stored_in_order(
    inbox: Inbox, database_url: str
) -> None:
    filled(inbox, 2)
    assert accept(inbox, delivery(3), delivery(1), delivery(5), delivery(2), delivery(4)) == 3
    assert [event["object_id"] for event in stored(database_url)] == [1, 2, 3, 5, 4]


@pytest.mark.parametrize("data", [None, [], "text", {"about": "something"}])
def test_an_event_without_an_object_is_never_a_repetition(inbox: Inbox, data: Any) -> None:
    unknown = parse_delivery({"object": "x", "event": "calendar.updated", "accountId": 1, "data": data})
    assert [accept(inbox, unknown), accept(inbox, unknown)] == [1, 1]


@pytest.mark.parametrize("account_id", [2, 3])
def test_deliveries_of_removed_or_unknown_accounts_are_not_stored(
    inbox: Inbox, database_url: str, account_id: int
) -> None:
    rows(database_url, "UPDATE hostaway.accounts SET is_active = false WHERE account_id = 2 RETURNING 1")
    assert accept(inbox, delivery(1, account_id=account_id), delivery(1)) == 1
    assert [event["account_id"] for event in stored(database_url)] == [1]
    assert rows(database_url, "SELECT DISTINCT account_id FROM hostaway.webhook_heads") == [{"account_id": 1}]


def test_concurrent_accepts_of_one_delivery_store_it_once(inbox: Inbox, database_url: str) -> None:
    everybody, rounds = 6, 15
    barrier = threading.Barrier(everybody)

    def accept_all(_: int) -> list[int]:
        counts = []
        for number in range(1, rounds + 1):
            barrier.wait()
            counts.append(accept(inbox, delivery(number)))
        return counts

    with ThreadPoolExecutor(everybody) as pool:
        per_thread = list(pool.map(accept_all, range(everybody)))
    assert [sum(counts) for counts in zip(*per_thread, strict=True)] == [1] * rounds
    assert len(stored(database_url)) == rounds


WORKER = """
import sys
from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
inbox, stored = Inbox(Database(sys.argv[1])), 0
print("ready", flush=True)
sys.stdin.readline()
for n in range(1, 101):
    body = {"object": "reservation", "event": "reservation.updated", "accountId": 1, "data": {"id": n}}
    stored += inbox.accept([(parse_delivery(body), "r")])
print(stored, flush=True)
"""


def test_processes_share_one_inbox(inbox: Inbox, database_url: str) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    counts = [int(worker.communicate("go\n", timeout=60)[0]) for worker in workers]
    assert sum(counts) == len(stored(database_url)) == 100


def test_batches_that_cross_do_not_deadlock(inbox: Inbox, database_url: str) -> None:
    forth = [delivery(number) for number in range(1, 60)]

    def accept_many(version: int) -> None:
        changed = [delivery(number, guestName=f"v{version}") for number in range(1, 60)]
        accept(inbox, *(changed if version % 2 else reversed(changed)))

    accept(inbox, *forth)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(accept_many, range(24)))
    assert len(stored(database_url)) == 59 * 25


def test_a_dead_pooled_connection_fails_no_delivery(inbox: Inbox, database_url: str) -> None:
    """After a restart of Postgres the first delivery must not be answered with an error."""
    accept(inbox, delivery(1))
    rows(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    assert accept(inbox, delivery(2)) == 1


def test_an_unreachable_database_is_reported_as_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        accept(Inbox(Database("postgresql://nobody@127.0.0.1:1/none")), delivery())


TEXT = st.text(st.characters(categories=None), max_size=8) | st.sampled_from(["a\x00b", "\ud83d", "\\u0000"])
PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXT, parts, max_size=4),
    max_leaves=15,
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(payload=PAYLOADS)
def test_any_parsed_delivery_is_stored_as_parsed(inbox: Inbox, database_url: str, payload: Any) -> None:
    body = {"object": "reservation", "event": "calendar.updated", "accountId": 1, "data": {"id": None, "in": payload}}
    try:
        parsed = parse_delivery(body)
    except BadDelivery:
        return
    assert accept(inbox, parsed) == 1
    with psycopg.connect(database_url) as connection:
        newest = connection.execute(NEWEST).fetchone()
    assert newest is not None
    # Postgres keeps numbers as decimals: 7.2e16 comes back as an integer.
    assert json.loads(newest[0], parse_int=float) == json.loads(parsed.payload, parse_int=float)


# Claiming


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


# Outcomes


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
    assert 295 <= wait[0]["wait"] <= 300
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
        inbox.record_outcomes([EventOutcome(event.id, "pending", "broken", is_attempt=True)])
        query = "SELECT extract(epoch FROM retry_at - now())::int AS wait FROM hostaway.webhook_events"
        waits.append(rows(database_url, query)[0]["wait"])
        make_claimable(database_url)
    row = stored(database_url)[0]
    assert (row["status"], row["attempts"]) == ("failed", MAX_ATTEMPTS)
    assert row["error"] == "failed 5 times, the last time with broken"
    assert waits[:4] == [pytest.approx(expected, abs=1) for expected in (5, 10, 20, 40)]


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


# Listing, replay and purge


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


def test_a_purge_deletes_old_events_with_an_outcome(inbox: Inbox, settled: dict[str, int], database_url: str) -> None:
    """Failed and pending events stay, however old: a person has to look at them."""
    rows(database_url, "UPDATE hostaway.webhook_events SET received_at = now() - interval '31 days' RETURNING 1")
    assert inbox.purge(older_than=timedelta(days=30)) == 3
    assert {event["status"] for event in stored(database_url)} == {"failed", "pending"}


def test_a_purge_keeps_young_events_and_still_recognises_repetitions(inbox: Inbox, settled: dict[str, int]) -> None:
    assert inbox.purge(older_than=timedelta(days=30)) == 0
    assert accept(inbox, delivery(1)) == 0


def test_a_purge_deletes_the_heads_of_silent_objects(inbox: Inbox, database_url: str) -> None:
    filled(inbox, 2)
    rows(database_url, "UPDATE hostaway.webhook_heads SET received_at = now() - interval '31 days' "
         "WHERE object_id = 1 RETURNING 1")  # fmt: skip
    inbox.purge(older_than=timedelta(days=30))
    assert rows(database_url, "SELECT object_id FROM hostaway.webhook_heads") == [{"object_id": 2}]


# Removed accounts


@pytest.mark.parametrize("hard", [True, False])
def test_only_a_hard_removal_deletes_the_accounts_rows(
    inbox: Inbox, database: Database, database_url: str, hard: bool
) -> None:
    accept(inbox, delivery(1), delivery(1, account_id=2))
    outbox = Outbox(database)
    for account_id in (1, 2):
        outbox.add(f"key-{account_id}", account_id=account_id, reservation_id=1, conversation_id=1, body="Hello",
                   communication_type="email")  # fmt: skip
        row = RESERVATIONS.row(reservation())
        assert row is not None
        PullWriter(database, Owner(account_id, UUID(int=7))).merge(RESERVATIONS, [row])

    Accounts(database, Keyring.parse(f"k:{generate_key()}")).remove(1, hard=hard)

    for table in ("webhook_events", "webhook_heads", "outbound_messages", "reservations"):
        left = rows(database_url, f"SELECT account_id FROM hostaway.{table} ORDER BY account_id")
        assert [row["account_id"] for row in left] == ([2] if hard else [1, 2]), table


def test_events_claimed_by_a_dead_drainer_are_released_and_waiting_ones_go_on_waiting(
    inbox: Inbox, database_url: str
) -> None:
    filled(inbox, 2)
    waiting, _ = inbox.claim(2)
    inbox.record_outcomes([EventOutcome(waiting.id, "pending", "not now", again_in=300)])
    assert inbox.claim(2) == []
    inbox.release(has_died=True)
    assert [event.object_id for event in inbox.claim(2, has_failed=True)] == [2]


def test_a_read_only_database_is_not_the_deliverys_fault(database_url: str) -> None:
    """A 400 would be final to Hostaway: only what will never be stored is refused."""
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    database = Database(database_url)
    with pytest.raises(DatabaseUnavailable, match="is read-only"):
        accept(Inbox(database), delivery(5))
    database.dispose()
