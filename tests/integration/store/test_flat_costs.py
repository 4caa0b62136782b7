"""What is asked every few seconds reads as little beside many settled events and old runs as beside none."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest

from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.security.keyring import Keyring, generate_key
from hostaway_pipeline.store.accounts.accounts import AccountOverview, Accounts
from hostaway_pipeline.store.checks import Checks, Finding
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.outbox import Outbox
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
INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash, updated_at)
SELECT 1 + n % {ACCOUNTS}, n, gen_random_uuid(), '{{}}', '', now() FROM generate_series(1, {SETTLED}) AS n;
INSERT INTO hostaway.messages (account_id, id, customer_id, raw_payload, content_hash, conversation_id)
SELECT 1 + n % {ACCOUNTS}, n, gen_random_uuid(), '{{}}', '', n FROM generate_series(1, {SETTLED}) AS n;
INSERT INTO hostaway.outbound_messages (
    account_id, idempotency_key, reservation_id, conversation_id, body, communication_type, status
)
SELECT 1, n, n, n, '', 'email', CASE WHEN n > {SETTLED} THEN 'pending' WHEN n % 9 = 0 THEN 'failed' ELSE 'sent' END
FROM generate_series(1, {SETTLED} + {PENDING}) AS n;
INSERT INTO hostaway.sweeps (
    account_id, entity, started_at, finished_at, is_complete, seen_count, table_count, held_back, orphan_count
)
SELECT account_id, 'messages', now(), now(), true, 300, 300, 0, 300 FROM hostaway.accounts;
UPDATE hostaway.accounts SET webhook_id = 1, created_at = now() - interval '2 days';
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


def test_the_count_of_open_messages_reads_no_settled_one(filled: Database) -> None:
    counts = []
    assert tuples_read(filled, "outbound_messages", lambda: counts.append(Outbox(filled).open_messages())) < MUCH
    assert counts == [{"pending": PENDING, "sending": 0, "unclear": 0}]


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


def test_the_overview_of_all_accounts_reads_their_numbers_and_newest_runs(filled: Database) -> None:
    accounts, found = Accounts(filled, Keyring.parse(f"k:{generate_key()}")), list[AccountOverview]()

    assert tuples_read(filled, "messages", lambda: found.extend(accounts.overview())) == 0
    assert tuples_read(filled, "sync_runs", accounts.overview) <= 4 * ACCOUNTS
    assert {overview.rows["messages"] for overview in found} == {SETTLED // ACCOUNTS}
    assert {overview.last_status for overview in found} == {"succeeded"}


@pytest.mark.parametrize("table", ["reservations", "conversations", "messages", "webhook_events", "webhook_heads"])
def test_checks_read_a_few_rows_per_account(filled: Database, table: str) -> None:
    checks, found = Checks(filled, are_webhooks_wanted=True), dict[str, list[Finding]]()

    def evaluate() -> None:
        for entity in ENTITIES:
            checks.untrusted_sweeps(entity)
            checks.count_mismatches(entity)
            checks.unsettled_rows(entity)
        for check in (checks.stale_accounts, checks.silent_webhooks, checks.orphan_messages):
            found[check.__name__] = check()

    assert tuples_read(filled, table, evaluate) <= 4 * ACCOUNTS
    assert {name: len(findings) for name, findings in found.items()} == {
        "stale_accounts": ACCOUNTS, "silent_webhooks": 0, "orphan_messages": ACCOUNTS
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["refresh", "full", "calendar"])
def test_the_start_of_a_sync_does_not_read_the_accounts_history(filled: Database, mode: str) -> None:
    def start() -> None:
        SyncRuns(filled).start(1, mode=mode, source="cli", dagster_run_id=None, entities=["messages"])

    assert tuples_read(filled, "sync_runs", start) < 50
