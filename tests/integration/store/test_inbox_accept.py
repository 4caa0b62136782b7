"""The inbox stores each delivery once, durably, and says why it refuses one."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostaway_pipeline.domain.events import BadDelivery, parse_delivery
from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
from tests.factories import reservation, rows
from tests.integration.store.inbox_steps import NEWEST, accept, delivery, filled, stored


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


def test_a_read_only_database_is_not_the_deliverys_fault(database_url: str) -> None:
    """A 400 would be final to Hostaway: only what will never be stored is refused."""
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    database = Database(database_url)
    with pytest.raises(DatabaseUnavailable, match="is read-only"):
        accept(Inbox(database), delivery(5))
    database.dispose()
