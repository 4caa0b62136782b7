"""Lost locks, conflicting transactions, and accounts removed while they are written: each failure stays isolated."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection, text

from hostaway_pipeline.domain.entities import RESERVATIONS, Row
from hostaway_pipeline.domain.events import Delivery, parse_delivery
from hostaway_pipeline.errors import (
    AccountError,
    DatabaseConflict,
    DatabaseUnavailable,
    SyncInProgress,
    UnexpectedError,
)
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.sync_runs import SyncRuns
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.run import pull_many
from hostaway_pipeline.sync.registration import ensure_webhook
from tests.factories import (
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    reservation,
    rows,
    sync,
    synced,
)
from tests.waiting import wait_until
from webhook_receiver.inbox_writer import InboxWriter

CUSTOMER = UUID(int=7)


def a_row(number: int = 1, **changes: Any) -> Row:
    made = RESERVATIONS.row(reservation(number, **changes))
    assert made is not None
    return made


# The account's lock


@pytest.fixture
def account(database_url: str) -> int:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1) RETURNING 1")
    return 1


def started(database: Database) -> PullWriter:
    """Start a sync that supersedes any running one."""
    run = SyncRuns(database).start(1, mode="full", source="cli", dagster_run_id=None, entities=("reservations",))
    return PullWriter(database, Owner(1, CUSTOMER, run_id=run.id))


def test_a_superseded_sync_writes_nothing_more(database: Database, database_url: str, account: int) -> None:
    first = started(database)
    first.merge(RESERVATIONS, [a_row(1)])
    second = started(database)
    with pytest.raises(SyncInProgress, match="lost its lock"):
        first.merge(RESERVATIONS, [a_row(2)])
    with pytest.raises(SyncInProgress):
        first.advance_known_until(RESERVATIONS, first.database_time())
    assert first.merge(RESERVATIONS, [a_row(1)]).unchanged == 1, "what writes nothing need not ask"
    second.merge(RESERVATIONS, [a_row(3)])
    assert [row["id"] for row in rows(database_url, "SELECT id FROM hostaway.reservations ORDER BY id")] == [1, 3]


def test_a_successor_waits_for_the_write_in_progress(database: Database, database_url: str, account: int) -> None:
    """Between the check of the fence and the commit, no other sync can take over."""
    first = started(database)
    with psycopg.connect(database_url) as blocker, ThreadPoolExecutor(2) as pool:
        blocker.execute(b"LOCK TABLE hostaway.reservations IN SHARE MODE")
        writing = pool.submit(first.merge, RESERVATIONS, [a_row(1)])
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'hostaway.reservations'::regclass"
        wait_until(lambda: rows(database_url, waiting))
        successor = pool.submit(started, database)
        time.sleep(0.3)
        assert not successor.done()
        blocker.rollback()
        assert writing.result(60).inserted == 1
        successor.result(60)


def test_two_syncs_of_one_account_do_not_both_write(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    """The lock's connection is cut, a second sync starts, and the first one fails with the reason."""
    sandbox = open_sandbox("1:2:30")
    sandbox.faults.hold_after = 8  # so that the first one is at work whenever the cut comes
    services, reports = open_services(sandbox, concurrency=1), list[Report]()
    add_account(services, 1)
    thread = threading.Thread(target=lambda: reports.append(sync(services, 1)))
    thread.start()
    wait_until(lambda: rows(database_url, "SELECT 1 FROM hostaway.messages LIMIT 1"))
    lock = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 4301002"
    assert rows(database_url, lock)
    wait_until(lambda: not rows(database_url, lock.replace("pg_terminate_backend(pid)", "1")))
    with services.account_lock(1, 30.0):
        services.sync_runs.start(1, mode="full", source="cli", dagster_run_id=None, entities=("messages",))
        before = rows(database_url, "SELECT count(*) FROM hostaway.messages")
        sandbox.faults.clear()
        thread.join(60)
        assert rows(database_url, "SELECT count(*) FROM hostaway.messages") == before
    assert (reports[0].status, type(reports[0].error)) == ("failed", SyncInProgress)
    runs = rows(database_url, "SELECT status FROM hostaway.sync_runs ORDER BY id")
    assert [run["status"] for run in runs] == ["interrupted", "running"], "the first one does not speak for the second"


# Conflicting transactions


def crossing(database: Database) -> list[Callable[[Connection], int]]:
    """Two transactions that lock two rows in opposite order, and deadlock once."""
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE hostaway.two (id int PRIMARY KEY, n int)"))
        connection.execute(text("INSERT INTO hostaway.two VALUES (1, 0), (2, 0)"))
    barrier = threading.Barrier(2)
    met: set[int] = set()

    def work(first: int, second: int) -> Callable[[Connection], int]:
        def both(connection: Connection) -> int:
            for row_id in (first, second):
                connection.execute(text("UPDATE hostaway.two SET n = n + 1 WHERE id = :id"), {"id": row_id})
                if row_id == first and first not in met:
                    met.add(first)
                    barrier.wait(60)
            return first

        return both

    return [work(1, 2), work(2, 1)]


def test_a_deadlock_is_retried(database: Database, database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(database.run, crossing(database))) == [1, 2]
    assert rows(database_url, "SELECT sum(n) AS sum FROM hostaway.two") == [{"sum": 4}]


def test_a_lasting_conflict_is_reported_as_a_conflict(database: Database) -> None:
    def refused(connection: Connection) -> None:
        calls.append(1)
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END $$"))

    calls: list[int] = []
    with pytest.raises(DatabaseConflict, match="another transaction holds the same rows") as raised:
        database.run(refused)
    assert "cannot be reached" not in str(raised.value)
    assert len(calls) == 4


def test_an_error_that_is_not_a_conflict_is_not_retried(database: Database) -> None:
    def broken(connection: Connection) -> None:
        calls.append(1)
        raise DatabaseUnavailable("away")

    calls: list[int] = []
    with pytest.raises(DatabaseUnavailable, match="away"):
        database.run(broken)
    assert calls == [1]


# Removed accounts


def test_a_hard_removal_ends_a_running_sync_and_leaves_nothing(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    sandbox = open_sandbox("1:2:40", "2:2:10")
    sandbox.faults.hold_after = 25
    services = open_services(sandbox, concurrency=1)
    for account_id in (1, 2):
        add_account(services, account_id)
    reports: dict[int, Report] = {}

    def pull_both() -> None:
        for report in pull_many(services, [PullRequest(one) for one in (1, 2)]):
            reports[report.account_id] = report

    thread = threading.Thread(target=pull_both)
    thread.start()
    wait_until(lambda: rows(database_url, "SELECT 1 FROM hostaway.messages WHERE account_id = 1 LIMIT 1"))
    services.accounts.remove(1, hard=True)
    sandbox.faults.clear()
    thread.join(60)
    assert (reports[1].status, type(reports[1].error)) == ("failed", AccountError)
    assert reports[2].status == "succeeded"
    tables = rows(database_url, "SELECT table_name FROM information_schema.columns WHERE table_schema = 'hostaway' "
                  "AND column_name = 'account_id' AND table_name NOT LIKE 'message_threads'")  # fmt: skip
    for table in (row["table_name"] for row in tables):
        assert rows(database_url, f"SELECT 1 FROM hostaway.{table} WHERE account_id = 1") == [], table
    assert_equal_to_source(database_url, sandbox, 2)


def test_a_soft_removal_also_ends_a_running_sync(database: Database, account: int, open_sandbox: OpenSandbox,
                                                  open_services: OpenServices) -> None:  # fmt: skip
    services = open_services(open_sandbox("1:2:10"))
    tables = started(database)
    services.accounts.remove(1, hard=False)
    with pytest.raises(AccountError, match="removed"):
        tables.merge(RESERVATIONS, [a_row(1)])


def test_an_interrupted_removal_continues_when_it_is_repeated(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    services = open_services(open_sandbox("1:2:10"))
    add_account(services, 1)
    synced(services, 1)
    function = "CREATE FUNCTION hostaway.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'cut off'; END $$; "
    trigger = "CREATE TRIGGER stop BEFORE DELETE ON hostaway.messages FOR EACH ROW EXECUTE FUNCTION hostaway.stop()"
    with psycopg.connect(database_url) as connection:
        connection.execute((function + trigger).encode())
    with pytest.raises(Exception, match="cut off"):
        services.accounts.remove(1, hard=True)
    with pytest.raises(AccountError, match="was removed"):
        services.accounts.get(1)
    with psycopg.connect(database_url) as connection:
        connection.execute(b"DROP TRIGGER stop ON hostaway.messages")
    services.accounts.remove(1, hard=True)
    assert rows(database_url, "SELECT 1 FROM hostaway.accounts") == []
    assert rows(database_url, "SELECT 1 FROM hostaway.messages") == []


# One account's locked row, and the others' deliveries


def delivery(number: int, account_id: int) -> Delivery:
    data = reservation(number)
    body = {"object": "reservation", "event": "reservation.updated", "accountId": account_id, "data": data}
    return parse_delivery(body)


@contextmanager
def uncommitted_removal(url: str, account_id: int) -> Iterator[None]:
    with psycopg.connect(url) as connection:
        connection.execute(b"DELETE FROM hostaway.accounts WHERE account_id = %s", (account_id,))
        yield
        connection.rollback()


def test_an_uncommitted_removal_refuses_only_that_accounts_deliveries(database: Database, database_url: str) -> None:
    for account_id in (1, 2):
        rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING 1", account_id)
    waits: list[float] = []

    async def deliver_all(writer: InboxWriter, first: int) -> list[Any]:
        began = time.monotonic()
        several = [writer.store(delivery(first + number, 1 + number % 2), "r") for number in range(10)]
        found = await asyncio.gather(*several, return_exceptions=True)
        waits.append(time.monotonic() - began)
        return found

    async def run() -> None:
        writer = InboxWriter(Inbox(database).accept)
        with uncommitted_removal(database_url, 2):
            for first in (100, 200, 300, 400, 500):
                found = await deliver_all(writer, first)
                assert [isinstance(one, DatabaseConflict) for one in found] == [False, True] * 5
        await writer.close()

    asyncio.run(run())
    assert min(waits[1:]) < 1 < waits[0], "the locked account is not tried again for a while"
    stored = rows(database_url, "SELECT account_id, count(*) FROM hostaway.webhook_events GROUP BY 1")
    assert stored == [{"account_id": 1, "count": 25}]


# Unexpected errors


def test_an_unexpected_error_of_one_account_stops_no_other(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    sandbox = open_sandbox("1:2:10", "2:2:10", "3:2:10")
    services = open_services(sandbox)
    for account_id in (1, 2, 3):
        add_account(services, account_id)
    error = "RAISE 'private words' USING ERRCODE = 'data_exception'"
    body = f"BEGIN IF new.account_id = 2 THEN {error}; END IF; RETURN new; END"
    with psycopg.connect(database_url) as connection:
        connection.execute(
            f"CREATE FUNCTION hostaway.poison() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$".encode()
        )
        connection.execute(b"CREATE TRIGGER poison BEFORE INSERT ON hostaway.reservations FOR EACH ROW "
                           b"EXECUTE FUNCTION hostaway.poison()")  # fmt: skip
    requests = [PullRequest(one) for one in (1, 2, 3)]
    reports = {report.account_id: report for report in pull_many(services, requests)}
    assert {one: report.status for one, report in reports.items()} == {1: "succeeded", 2: "failed", 3: "succeeded"}
    assert isinstance(reports[2].error, UnexpectedError)
    assert "DataException" in str(reports[2].error)
    assert "private words" not in str(reports[2].error)
    runs = rows(database_url, "SELECT status, error FROM hostaway.sync_runs WHERE account_id = 2")
    assert (runs[0]["status"], "private words" in runs[0]["error"]) == ("failed", False)


def test_concurrent_maintenance_registers_one_webhook(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    sandbox = open_sandbox("1:2:10", latency=0.1)
    services = open_services(sandbox, public_url="http://127.0.0.1:1")
    add_account(services, 1)

    def ensure(_: int) -> object:
        with services.client(1) as client:
            return ensure_webhook(services, client)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(ensure, range(3)))
    assert len(sandbox.world.account(1).webhooks.all()) == 1
    assert sandbox.counters.calls()["POST /v1/webhooks/unifiedWebhooks"] == 1
