"""SIGTERM while an API never answers: the command ends within seconds, and leaves no process and no lock."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import OpenSandbox, OpenServices, add_account, rows
from tests.waiting import wait_until

CliEnvironment = Callable[[SandboxServer], dict[str, str]]
# Measured: about a second. Without an abort it is minutes: one read alone may take 30 s.
SOON = 25.0
_LOCKS = """
    SELECT classid, objid FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@contextmanager
def command(environment: dict[str, str], *arguments: str, stdin: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """`hostaway`, or Python if `-c` comes first, in its own session; kills what is left of it."""
    python = [] if arguments[0] == "-c" else ["-m", "hostaway_pipeline"]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("HOSTAWAY_")}
    process = subprocess.Popen(
        [sys.executable, *python, *arguments],
        env=plain | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(stdin.encode())
    process.stdin.close()
    process.stdin = None
    try:
        yield process
    finally:
        for left in in_session(process.pid):
            left.kill()
        process.communicate()


def in_session(leader: int) -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        try:
            if os.getsid(one.pid) == leader and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (OSError, psutil.Error):  # it has just ended
            continue
    return found


# As Dagster runs it: an exception in the main thread, while threads of the drainer wait for Hostaway.
DRAIN = """
import sys
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.stopping import unwind_on_signals
from hostaway_pipeline.sync.push.drain import drain
from hostaway_pipeline.wiring import open_services

unwind_on_signals()
services = open_services(load_settings())
try:
    drain(services, lambda _: None, linger=300, lifetime=300)
except KeyboardInterrupt:
    sys.exit(130)
finally:
    services.close()
"""


def assert_ends(process: subprocess.Popen[bytes], database_url: str, number: int = signal.SIGTERM) -> None:
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(60) != 0
    took = time.monotonic() - began
    assert took < SOON
    assert in_session(process.pid) == []
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    wait_until(lambda: not rows(database_url, _LOCKS))


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(*(f"{number}:2:40" for number in range(1, 9)))


@pytest.fixture
def environment(sandbox: SandboxServer, cli_environment: CliEnvironment) -> dict[str, str]:
    limits = {"HOSTAWAY_RATE_LIMIT_IP": "100000/1", "HOSTAWAY_RATE_LIMIT_ACCOUNT": "100000/1"}
    return cli_environment(sandbox) | limits | {"HOSTAWAY_EGRESS": "tests"}


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    for number in range(1, 9):
        add_account(services, number)
    return services


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_sync_ends(
    sandbox: SandboxServer, services: Services, environment: dict[str, str], database_url: str, number: int
) -> None:
    sandbox.faults.update(hang_share=1.0)
    with command(environment, "sync", "1") as process:
        wait_until(lambda: sandbox.counters.max_in_flight >= 3)
        assert_ends(process, database_url, number)
    assert rows(database_url, "SELECT status FROM hostaway.sync_runs") == [{"status": "interrupted"}]
    assert rows(database_url, "SELECT failures FROM hostaway.accounts WHERE account_id = 1") == [{"failures": 0}]


def test_a_sync_ends_while_it_reads_messages(
    sandbox: SandboxServer, services: Services, environment: dict[str, str], database_url: str
) -> None:
    sandbox.faults.hold_after = 15
    with command(environment | {"HOSTAWAY_CONCURRENCY": "4"}, "sync", "1") as process:
        wait_until(lambda: rows(database_url, "SELECT FROM hostaway.messages LIMIT 1"))
        assert_ends(process, database_url)
    assert rows(database_url, "SELECT status FROM hostaway.sync_runs") == [{"status": "interrupted"}]


def test_a_sync_of_all_accounts_ends(
    sandbox: SandboxServer, services: Services, environment: dict[str, str], database_url: str
) -> None:
    sandbox.faults.update(hang_share=1.0)
    with command(environment, "sync", "--all", "--wait", "300") as process:
        wait_until(lambda: len(rows(database_url, "SELECT FROM hostaway.sync_runs")) == 4)
        wait_until(lambda: sandbox.counters.max_in_flight >= 8)
        assert_ends(process, database_url)
    assert rows(database_url, "SELECT status FROM hostaway.sync_runs") == [{"status": "interrupted"}] * 4
    failed = "SELECT account_id FROM hostaway.accounts WHERE failures > 0"
    assert rows(database_url, failed) == [], "an interrupt is no account's failure"


def test_a_sync_that_waits_for_slots_ends(
    sandbox: SandboxServer, services: Services, environment: dict[str, str], database_url: str
) -> None:
    services.slots.record_refusal(1, services.slots.acquire(1), datetime.now(UTC) + timedelta(minutes=8))
    with command(environment, "sync", "1") as process:
        wait_until(lambda: rows(database_url, "SELECT FROM hostaway.sync_runs"))
        time.sleep(0.5)
        assert_ends(process, database_url)
    assert rows(database_url, "SELECT status FROM hostaway.sync_runs") == [{"status": "interrupted"}]


def test_syncs_that_wait_for_locks_end(
    sandbox: SandboxServer, services: Services, environment: dict[str, str], database_url: str
) -> None:
    with (
        services.account_lock(1, 0),
        services.account_lock(2, 0),
        command(environment, "sync", "1", "2", "--wait", "300") as process,
    ):
        held = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%%try_advisory%%'"
        wait_until(lambda: len(rows(database_url, held)) >= 4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) != 0


def test_adding_an_account_ends_while_it_waits_for_the_token(
    sandbox: SandboxServer, environment: dict[str, str], database_url: str
) -> None:
    sandbox.faults.update(hang_share=1.0)
    arguments = ("accounts", "add", "1", "--secret-stdin")
    with command(environment, *arguments, stdin="sandbox-secret-1\n") as process:
        wait_until(lambda: sandbox.counters.max_in_flight >= 1)
        assert_ends(process, database_url)
    assert rows(database_url, "SELECT FROM hostaway.accounts") == []


def test_signals_during_the_clean_up_change_nothing(
    sandbox: SandboxServer, services: Services, environment: dict[str, str], database_url: str
) -> None:
    sandbox.faults.update(hang_share=1.0)
    with command(environment, "sync", "--all") as process:
        wait_until(lambda: sandbox.counters.max_in_flight >= 8)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
            time.sleep(0.02)
        assert_ends(process, database_url)
    assert rows(database_url, "SELECT status FROM hostaway.sync_runs") == [{"status": "interrupted"}] * 4


def test_a_drainer_ends_and_the_next_one_continues_with_its_events(
    sandbox: SandboxServer, services: Services, environment: dict[str, str], database_url: str
) -> None:
    wanted = [(number, one) for number in range(1, 9) for one in list(sandbox.world.account(number).reservations)[:10]]
    for number, one in wanted:  # too little to be stored without asking Hostaway
        body = {"object": "reservation", "event": "reservation.updated", "accountId": number, "data": {"id": one}}
        services.inbox.accept([(parse_delivery(body), "request-1")])
    sandbox.faults.update(hang_share=1.0)
    with command(environment, "-c", DRAIN) as process:
        wait_until(lambda: sandbox.counters.max_in_flight >= 4)
        assert_ends(process, database_url)
    assert rows(database_url, "SELECT FROM hostaway.accounts WHERE failures > 0") == []
    sandbox.faults.clear()
    drain(services, lambda _: None, linger=0.5)
    states = "SELECT status, count(*) AS events FROM hostaway.webhook_events GROUP BY status"
    assert rows(database_url, states) == [{"status": "applied", "events": len(wanted)}]
