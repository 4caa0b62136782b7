"""What is asked every few seconds reads as little beside many settled events and old runs as beside none."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.retention import Retention
from hostaway_pipeline.store.sync_runs import SyncRuns
from tests.reads import tuples_read

EVENTS = "webhook_events"
SETTLED, PENDING, FAILED, ACCOUNTS = 30_000, 20, 10, 100
FILL = f"""
INSERT INTO hostaway.accounts (account_id) SELECT a FROM generate_series(1, {ACCOUNTS}) AS a;
INSERT INTO hostaway.webhook_events (account_id, event, object, object_id, payload, status, attempts)
SELECT 1 + n % {ACCOUNTS}, 'reservation.updated', 'reservation', n, '{{}}',
       CASE WHEN n > {SETTLED} + {PENDING} THEN 'failed' WHEN n > {SETTLED} THEN 'pending' ELSE 'applied' END, n % 2
FROM generate_series(1, {SETTLED} + {PENDING} + {FAILED}) AS n;
INSERT INTO hostaway.sync_runs (account_id, mode, source, status, baseline_at, entities)
SELECT 1 + n % {ACCOUNTS}, CASE WHEN n <= {ACCOUNTS} THEN 'full' ELSE 'refresh' END, 'dagster', 'succeeded', now(),
       '{{"messages": {{}}}}'
FROM generate_series(1, {SETTLED}) AS n;
ANALYZE;
"""
# A row counts once in the table and once in each index through which it was found.
MUCH = 10 * (PENDING + FAILED)


@pytest.fixture(scope="module")
def filled(new_database: Callable[[], str]) -> Iterator[Database]:
    """One database for all tests of this file: they only read, or end where they began."""
    database = Database(new_database())
    with psycopg.connect(database.url(show_password=True)) as connection:
        connection.execute(FILL.encode())
    yield database
    database.dispose()


def test_the_state_of_the_inbox_reads_no_settled_event(filled: Database) -> None:
    states = []
    assert tuples_read(filled, EVENTS, lambda: states.append(Inbox(filled).state())) < MUCH
    assert (states[0].pending, states[0].failed) == (PENDING, FAILED)


@pytest.mark.parametrize("has_failed", [False, True])
def test_claims_and_releases_read_no_settled_event(filled: Database, *, has_failed: bool) -> None:
    claimed = []

    def claim() -> None:
        claimed.extend(Inbox(filled).claim(5, has_failed=has_failed))
        Inbox(filled).release(has_died=True)

    assert tuples_read(filled, EVENTS, claim) < MUCH
    assert len(claimed) == 5


def test_failed_events_are_listed_and_replayed_without_the_others(filled: Database) -> None:
    numbers = []

    def replay() -> None:
        numbers.append(len(Inbox(filled).newest(status="failed")))
        numbers.append(Inbox(filled).replay(failed=True))

    assert tuples_read(filled, EVENTS, replay) < MUCH
    assert numbers == [FAILED, FAILED]


def test_a_purge_without_anything_to_delete_reads_nothing_young(filled: Database) -> None:
    def purge() -> None:
        Retention(filled).purge_events(timedelta(days=30))
        Retention(filled).purge_sync_runs(timedelta(days=30))

    assert tuples_read(filled, EVENTS, purge) < MUCH
    assert tuples_read(filled, "sync_runs", purge) < MUCH


@pytest.mark.parametrize("mode", ["refresh", "full", "calendar"])
def test_the_start_of_a_sync_does_not_read_the_accounts_history(filled: Database, mode: str) -> None:
    def start() -> None:
        SyncRuns(filled).start(1, mode=mode, source="cli", dagster_run_id=None, entities=["messages"])

    assert tuples_read(filled, "sync_runs", start) < 50
