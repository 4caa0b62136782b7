"""A sweeper run: it claims accounts, syncs them side by side, and leaves nothing behind however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.due_accounts import DueAccounts, Synced
from tests.factories import OpenSandbox, OpenServices, add_account, assert_equal_to_source, rows, synced
from tests.waiting import wait_until

ACCOUNTS = range(1, 9)


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(*(f"{account_id}:1:5" for account_id in ACCOUNTS))


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    for account_id in ACCOUNTS:
        add_account(services, account_id)
    services.cadences.plan_missing()
    return services


def make_due(database_url: str, mode: str = "reconcile") -> None:
    rows(database_url, "UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h' WHERE mode = %s RETURNING 1",
         mode)  # fmt: skip


def sync_due(services: Services, mode: str = "reconcile", run_id: str = "run", **options: float) -> list[Synced]:
    return list(DueAccounts(services, mode, run_id, **({"lifetime": 60, "linger": 0} | options)))


def waiting(services: Services, mode: str = "reconcile") -> int:
    return services.cadences.backlog()[mode].due  # type: ignore[index]


def test_every_due_account_is_synced_once_and_is_then_no_longer_due(
    services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    make_due(database_url)
    found = sync_due(services)
    assert sorted(one.claim.account_id for one in found) == list(ACCOUNTS)
    assert {one.report.status for one in found} == {"succeeded"}
    for account_id in ACCOUNTS:
        assert_equal_to_source(database_url, sandbox, account_id)
    assert waiting(services) == 0
    assert sync_due(services) == []


def test_two_runs_share_the_accounts(services: Services, open_services: OpenServices, sandbox: SandboxServer,
                                     database_url: str) -> None:  # fmt: skip
    make_due(database_url)
    other = iter(DueAccounts(open_services(sandbox), "reconcile", "other", lifetime=60, linger=0))
    first = next(other)
    found = [first, *sync_due(services), *other]
    assert sorted(one.claim.account_id for one in found) == list(ACCOUNTS)


def test_a_run_lingers_for_accounts_that_become_due(services: Services, database_url: str) -> None:
    due = iter(DueAccounts(services, "requested", "run", lifetime=60, linger=20))
    services.cadences.request(1, "reconcile")
    assert next(due).claim.account_id == 1
    services.cadences.request(2, "reconcile")
    assert next(due).claim.account_id == 2


class Enough(Exception):
    """Ends a run that would linger."""


def test_the_caller_is_told_while_nothing_ends(services: Services) -> None:
    """What it has kept back until then, such as a batch of events, would otherwise wait for the end of the run."""
    told = list[str]()

    def on_pause() -> None:
        told.append("pause")
        if told[-3:] == ["succeeded", "pause", "pause"]:
            raise Enough

    services.cadences.request(1, "reconcile")
    due = iter(DueAccounts(services, "requested", "run", lifetime=60, linger=60, on_pause=on_pause))
    told.append(next(due).report.status)
    with pytest.raises(Enough):
        next(due)


def test_a_run_claims_nothing_after_its_lifetime(services: Services, database_url: str) -> None:
    make_due(database_url)
    assert sync_due(services, lifetime=0) == []
    assert waiting(services) == len(ACCOUNTS)


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        ({"dead_accounts": {1}}, timedelta(minutes=1)),
        ({"listings_answer": "empty"}, timedelta(hours=1)),
    ],
    ids=["failed", "incomplete"],
)
def test_an_account_that_did_not_succeed_stays_due_and_comes_back_after_a_wait(
    services: Services, sandbox: SandboxServer, database_url: str, fault: dict[str, object], wait: timedelta
) -> None:
    synced(services, 1)
    rows(database_url, "UPDATE hostaway.accounts SET failures = 1 RETURNING 1")  # so that one call decides
    sandbox.faults.update(**fault)
    services.cadences.request(1, "reconcile")
    (found,) = sync_due(services, "requested")
    assert found.report.status != "succeeded"
    assert sync_due(services, "requested") == []
    state = rows(database_url, "SELECT requested_at, lease_until - now() AS wait, claimed_by FROM hostaway.cadences "
                 "WHERE (account_id, mode) = (1, 'reconcile')")[0]  # fmt: skip
    assert state["requested_at"] is not None
    assert wait - timedelta(seconds=30) < state["wait"] <= wait
    assert state["claimed_by"] is None


def test_an_account_that_somebody_else_syncs_is_tried_again_soon(services: Services, database_url: str) -> None:
    services.cadences.request(1, "full")
    with services.account_lock(1, 0):
        (found,) = sync_due(services, "requested")
    assert "being synced by another process" in str(found.report.error)
    wait = rows(
        database_url, "SELECT lease_until - now() AS wait FROM hostaway.cadences WHERE requested_at IS NOT NULL"
    )
    assert timedelta(0) < wait[0]["wait"] <= timedelta(seconds=30)


def test_a_full_sync_requested_while_a_refresh_starts_still_happens(services: Services, database_url: str) -> None:
    for account_id in ACCOUNTS:
        synced(services, account_id, mode="reconcile")
    make_due(database_url, "refresh")
    due = iter(DueAccounts(services, "refresh", "run", lifetime=60, linger=0))
    next(due)
    services.cadences.request(1, "full")
    list(due)
    sync_due(services, "requested")
    assert rows(database_url, "SELECT count(*) AS n FROM hostaway.sync_runs WHERE mode = 'full'") == [{"n": 1}]


def test_a_caller_that_stops_gives_everything_back(services: Services, database_url: str) -> None:
    """As when somebody cancels the run in Dagster's UI."""
    make_due(database_url)
    due = iter(DueAccounts(services, "reconcile", "run", lifetime=60, linger=0))
    done = next(due).claim.account_id
    due.close()  # type: ignore[attr-defined]
    assert rows(database_url, "SELECT account_id FROM hostaway.cadences WHERE claimed_by IS NOT NULL") == []
    assert done not in {row["account_id"] for row in rows(database_url, "SELECT account_id FROM hostaway.cadences "
                        "WHERE mode = 'reconcile' AND next_due_at < now()")}  # fmt: skip


def test_the_caller_hears_that_the_database_is_gone(services: Services, database_url: str) -> None:
    make_due(database_url)
    due = iter(DueAccounts(services, "reconcile", "run", lifetime=60, linger=0))
    next(due)
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE hostaway.cadences RENAME TO gone")
    with pytest.raises(DatabaseUnavailable):
        list(due)


SWEEP = """
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.sync.due_accounts import DueAccounts
from hostaway_pipeline.wiring import open_services
import sys
services = open_services(load_settings(), create=False)
list(DueAccounts(services, "reconcile", sys.argv[1], lifetime=60, linger=0))
services.close()
"""


def test_a_run_that_is_killed_loses_its_claims_and_no_account_is_synced_twice_at_once(
    open_sandbox: OpenSandbox,
    open_services: OpenServices,
    cli_environment: Callable[[SandboxServer], dict[str, str]],
    database_url: str,
) -> None:
    sandbox = open_sandbox(*(f"{account_id}:1:5" for account_id in ACCOUNTS), latency=0.1)
    services = open_services(sandbox)
    for account_id in ACCOUNTS:
        add_account(services, account_id)
    services.cadences.plan_missing()
    make_due(database_url)
    sandbox.faults.hanging_accounts = {2, 5, 7}  # so that they are at work whenever the kill comes
    environment = os.environ | cli_environment(sandbox)
    process = subprocess.Popen([sys.executable, "-c", SWEEP, "killed"], env=environment)
    is_lost = "SELECT account_id FROM hostaway.cadences WHERE claimed_by = 'killed' AND next_due_at < now()"
    wait_until(lambda: {2, 5, 7} <= {row["account_id"] for row in rows(database_url, is_lost)}, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.faults.hanging_accounts = set()
    lost = rows(database_url, is_lost)
    rows(database_url, "UPDATE hostaway.cadences SET lease_until = now() WHERE claimed_by = 'killed' RETURNING 1")
    held = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 4301002"
    wait_until(lambda: not rows(database_url, held))
    found = {one.claim.account_id for one in sync_due(services, run_id="next")}
    assert {row["account_id"] for row in lost} <= found
    assert waiting(services) == 0
    for account_id in ACCOUNTS:
        assert_equal_to_source(database_url, sandbox, account_id)
