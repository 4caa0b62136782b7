"""Celery workers, each behind an IP address of its own, share one queue: both work, and one can be killed."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from dagster import DagsterRunStatus

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.cadences import LEASE
from tests.acceptance.dagster_stack import ROOT, DagsterStack, wait_until
from tests.conftest import GivenPostgres
from tests.factories import OpenSandbox, OpenServices, add_account, assert_equal_to_source, rows, synced
from tests.nat import Nat

REDIS = shutil.which("redis-server")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(REDIS is None, reason="redis-server is not installed: `apt-get install redis-server`"),
    pytest.mark.skipif(
        importlib.util.find_spec("dagster_celery") is None, reason="the extra `celery` is not installed"
    ),
]
# So many that they get a second run at once.
ACCOUNTS, LIMIT, WINDOW = 45, 20, 2.0
WEBHOOK_ACCOUNT = ACCOUNTS + 1
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
TICK, SLACK = timedelta(seconds=60), timedelta(seconds=30)
# Work for the worker that is left until the killed one's run is known to be dead.
LEFT = 16


class Workers(DagsterStack):
    """A code server, the daemon, and Celery workers."""

    def __init__(self, home: Path, url: str, dagster_url: str, sandbox: SandboxServer, redis_port: int) -> None:
        super().__init__(home, url, dagster_url, sandbox)
        self._workers: list[psutil.Process] = []
        shutil.copy(ROOT / "deploy/celery/dagster.yaml", home)
        shutil.copy(ROOT / "deploy/celery/dagster_celery_config.py", home)
        self._environment |= {
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{redis_port}/0",
            "CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{redis_port}/1",
            "HOSTAWAY_RATE_LIMIT_IP": f"{LIMIT}/{WINDOW}",
            "HOSTAWAY_SWEEPERS": "2",
            "PYTHONPATH": os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")]),
        }

    def work(self, name: str, queue: str, api_url: str, egress: str) -> psutil.Process:
        command = [sys.executable, "-m", "celery", "-A", "dagster_celery.app", "worker", "-Q", queue, "-c", "1"]
        environment = self._environment | {"HOSTAWAY_EGRESS": egress, "HOSTAWAY_API_URL": api_url}
        with (self.home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*command, "-n", f"{name}@%h"], cwd=self.home, env=environment, stdout=log, stderr=log
            )
        self._workers.append(psutil.Process(self._processes[name].pid))
        return self._workers[-1]

    def stop(self) -> None:
        """Workers hide their environment, by which the other processes of the stack are found: they go first."""
        for worker in self._workers:
            kill(worker)
        super().stop()


def kill(worker: psutil.Process) -> None:
    """Kill a worker and the process that has its task."""
    with suppress(psutil.NoSuchProcess):
        for process in (*worker.children(recursive=True), worker):
            process.kill()


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [REDIS or "", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(*(f"{n}:2:20" for n in range(1, WEBHOOK_ACCOUNT + 1)))


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    """Accounts whose sync is requested, and an event of another account."""
    services = open_services(sandbox)
    for number in range(1, WEBHOOK_ACCOUNT + 1):
        add_account(services, number)
    synced(services, WEBHOOK_ACCOUNT)
    for number in range(1, ACCOUNTS + 1):
        services.cadences.request(number, "full")
    deliver(services, sandbox)
    sandbox.counters.reset()
    return services


@pytest.fixture
def stack(
    postgres: EmbeddedPostgres | GivenPostgres,
    services: Services,
    sandbox: SandboxServer,
    database_url: str,
    tmp_path: Path,
) -> Iterator[Workers]:
    postgres.ensure_database("dagster_celery")
    with redis(tmp_path) as port:
        stack = Workers(tmp_path / "home", database_url, postgres.url("dagster_celery"), sandbox, port)
        try:
            yield stack
        finally:
            stack.stop()


def deliver(services: Services, sandbox: SandboxServer) -> None:
    account = sandbox.world.account(WEBHOOK_ACCOUNT)
    payload = account.update_reservation(next(iter(account.reservations)), guestName="Ada")
    body = {"object": "reservation", "event": "reservation.updated", "accountId": WEBHOOK_ACCOUNT, "data": payload}
    services.inbox.accept([(parse_delivery(body), "request")])


def withdraw(url: str) -> None:
    """Withdraw requests that no run has claimed, but some."""
    rows(url, "UPDATE hostaway.cadences SET requested_at = NULL WHERE mode = 'full' AND account_id IN ("
         "SELECT account_id FROM hostaway.cadences WHERE requested_at IS NOT NULL AND claimed_by IS NULL "
         "ORDER BY requested_at OFFSET %s) RETURNING 1", LEFT)  # fmt: skip


def takeovers(sandbox: SandboxServer) -> dict[int, int]:
    """How often an account's calls have come from the other address than the one before, by account."""
    last: dict[int, str] = {}
    changes: dict[int, int] = {}
    for arrival in sandbox.counters.arrivals():
        if arrival.account_id is not None:
            has_changed = last.get(arrival.account_id, arrival.ip) != arrival.ip
            changes[arrival.account_id] = changes.get(arrival.account_id, 0) + has_changed
            last[arrival.account_id] = arrival.ip
    return changes


def wanted(url: str) -> set[int]:
    """Accounts whose request is not withdrawn, and not done."""
    waiting = "SELECT account_id FROM hostaway.cadences WHERE requested_at IS NOT NULL"
    return {row["account_id"] for row in rows(url, waiting)}


@pytest.mark.timeout(600)
def test_two_workers_share_one_queue_and_one_goes_on_alone(
    stack: Workers, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    def are_at_their_limits() -> bool:
        peaks = sandbox.counters.ip_peaks(WINDOW)
        return all(peaks.get(ip, 0) > LIMIT - 2 for ip in (FIRST, SECOND))

    with Nat(sandbox.url, SECOND) as nat:
        stack.start("code")
        stack.work("first", "bulk", sandbox.url, "egress-1")
        second = stack.work("second", "bulk", nat.url, "egress-2")
        stack.work("webhooks", "webhooks", sandbox.url, "egress-1")
        stack.start("daemon")
        wait_until("both at their limits", are_at_their_limits, 200)
        assert len(stack.runs(DagsterRunStatus.STARTED, job_name="requested")) == 2
        kill(second)
        killed_at = time.monotonic()
        withdraw(database_url)
        wait_until("the end of the killed run", lambda: stack.runs(DagsterRunStatus.FAILURE), 60)
        left = killed_at + (LEASE + TICK + SLACK).total_seconds() - time.monotonic()
        wait_until("all accounts", lambda: not wanted(database_url), left)

    assert services.inbox.state().pending == 0
    assert "drain_webhooks" in (stack.home / "webhooks.log").read_text()
    for row in rows(database_url, "SELECT DISTINCT account_id FROM hostaway.sync_runs"):
        assert_equal_to_source(database_url, sandbox, row["account_id"])
    assert max(takeovers(sandbox).values()) == 1, "nobody is synced by both at once, and some change hands"
    assert len(stack.runs(DagsterRunStatus.FAILURE)) == 1
    # A machine that stalls sends requests late. Two budgets for one address would allow twice the limit.
    assert max(sandbox.counters.ip_peaks(WINDOW).values()) < 1.5 * LIMIT
