"""Crashes of the sync, of Postgres and of its disk lose nothing. Processes are killed with SIGKILL."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.locks import account_lock
from hostaway_pipeline.store.migrate import migrate
from hostaway_pipeline.sync.pull.request import Report
from hostaway_pipeline.wiring import services_on
from tests.factories import (
    OpenAccount,
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    make_settings,
    rows,
    sync,
    synced,
)
from tests.waiting import wait_until

MESSAGES = "/v1/conversations/{id}/messages"
# Connections that were in use within the last second are not looked at, and fail once after a restart.
RESTED = 1.1


def test_twenty_kills_at_random_moments_lose_nothing_and_repeat_little(
    open_account: OpenAccount,
    cli_environment: Callable[[SandboxServer], dict[str, str]],
    database_url: str,
) -> None:
    kills, concurrency = 20, 4
    sandbox, services = open_account("59808:5:400", latency=0.05)
    environment = os.environ | cli_environment(sandbox) | {"HOSTAWAY_CONCURRENCY": str(concurrency)}
    environment |= {"HOSTAWAY_RATE_LIMIT_IP": "100000/1", "HOSTAWAY_RATE_LIMIT_ACCOUNT": "100000/1"}
    moments = random.Random(7)
    # Reconcile, since a full sync that happened to end before its kill would be followed by one that reads all again.
    command = [sys.executable, "-m", "hostaway_pipeline", "sync", "59808", "--wait", "60", "--mode", "reconcile"]
    for _ in range(kills):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.5, 3.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    synced(services, 59808, mode="reconcile", wait_seconds=60)

    assert_equal_to_source(database_url, sandbox, 59808)
    conversations = len(list(sandbox.world.account(59808).truth("conversations")))
    second_pages = 5
    # Of each killed sync at most what was under way or in the last batch is read again.
    assert sandbox.counters.calls()[MESSAGES] <= conversations + second_pages + kills * 3 * concurrency
    with account_lock(services.database, 59808):
        pass


@pytest.fixture
def own_server(embedded_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A Postgres that a test may kill without affecting the others."""
    with EmbeddedPostgres(embedded_folder / "own") as server:
        server.ensure_database("hostaway")
        yield server


@pytest.fixture
def own_services(
    own_server: EmbeddedPostgres, open_sandbox: OpenSandbox
) -> Iterator[tuple[SandboxServer, Services, str]]:
    sandbox = open_sandbox("59808:5:300")
    url = own_server.url("hostaway")
    services = services_on(make_settings(url, sandbox.url, concurrency=4), url)
    migrate(services.database)
    services.secrets.check()
    add_account(services, 59808)
    yield sandbox, services, url
    services.close()


def kill_postmaster(server_home: Path) -> None:
    pid = int((server_home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    process = psutil.Process(pid)
    process.kill()
    process.wait(60)


def in_background(services: Services) -> tuple[threading.Thread, list[Report | BaseException]]:
    ended: list[Report | BaseException] = []

    def run() -> None:
        try:
            ended.append(sync(services, 59808))
        except BaseException as error:  # noqa: BLE001 (what ended the sync is what the test looks at)
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended


def test_a_sync_during_which_postgres_is_killed_loses_nothing(
    own_server: EmbeddedPostgres, own_services: tuple[SandboxServer, Services, str], embedded_folder: Path
) -> None:
    sandbox, services, url = own_services
    sandbox.faults.hold_after = 70  # so that it is at work whenever the kill comes
    thread, ended = in_background(services)
    read = "SELECT count(*) AS n FROM hostaway.conversations WHERE messages_synced_at IS NOT NULL"
    wait_until(lambda: rows(url, read)[0]["n"] >= 40)
    kill_postmaster(embedded_folder / "own")
    sandbox.faults.clear()
    thread.join(120)

    error = ended[0].error if isinstance(ended[0], Report) else ended[0]
    assert isinstance(error, DatabaseUnavailable)
    assert "Postgres cannot be reached or went away" in str(error)

    own_server.stop()
    own_server.start()
    time.sleep(RESTED)
    before = sandbox.counters.calls()[MESSAGES]
    synced(services, 59808, wait_seconds=60)
    assert_equal_to_source(url, sandbox, 59808)
    conversations = len(list(sandbox.world.account(59808).truth("conversations")))
    assert sandbox.counters.calls()[MESSAGES] - before < conversations, "what was read before is not read again"


@pytest.fixture
def small_disk(embedded_folder: Path) -> Iterator[Path]:
    """A separate file system that can be full without affecting the machine."""
    folder = embedded_folder / "disk"
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting a small file system needs root")
def test_a_full_disk_is_reported_and_the_sync_continues_once_there_is_room(
    small_disk: Path, open_sandbox: OpenSandbox
) -> None:
    sandbox = open_sandbox("59808:5:400")
    with EmbeddedPostgres(small_disk / "home") as server:
        server.ensure_database("hostaway")
        url = server.url("hostaway")
        services = services_on(make_settings(url, sandbox.url), url)
        migrate(services.database)
        services.secrets.check()
        add_account(services, 59808)
        synced(services, 59808, entities=("listings",))
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file:
            free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
            file.write(b"\0" * (free - 300_000))

        try:
            error: BaseException | None = sync(services, 59808).error
        except DatabaseUnavailable as raised:
            error = raised
        assert isinstance(error, DatabaseUnavailable)
        assert "disk is full" in str(error) or "went away" in str(error)

        ballast.unlink()
        server.stop()  # a full WAL disk ends the server: its operator starts it again
        server.start()
        time.sleep(RESTED)
        synced(services, 59808, wait_seconds=60)
        assert_equal_to_source(url, sandbox, 59808)
        services.close()


def test_a_wrong_secret_and_a_dead_api_stop_no_other_of_twenty_accounts(
    open_sandbox: OpenSandbox,
    open_services: OpenServices,
    cli_environment: Callable[[SandboxServer], dict[str, str]],
    database_url: str,
) -> None:
    wrong, dead = 7, 13
    sandbox = open_sandbox(*(f"{n}:2:5" for n in range(1, 21)), token_delay=0.0)
    services = open_services(sandbox)
    for account_id in range(1, 21):
        add_account(services, account_id, secret="wrong" if account_id == wrong else None)
    sandbox.faults.update(dead_accounts={dead})

    command = [sys.executable, "-m", "hostaway_pipeline", "sync", "--all", "--json"]
    environment = os.environ | cli_environment(sandbox)
    environment |= {"HOSTAWAY_RATE_LIMIT_IP": "100000/1", "HOSTAWAY_RATE_LIMIT_ACCOUNT": "100000/1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 1
    statuses = {report["account_id"]: report["status"] for report in json.loads(done.stdout)["accounts"]}
    assert {account for account, status in statuses.items() if status != "succeeded"} == {wrong, dead}
    lines = sorted(done.stderr.strip().splitlines())
    assert len(lines) == 2
    assert "account 13: " in lines[0]
    assert "HTTP 503" in lines[0]
    assert "account 7: Hostaway does not accept this client secret" in lines[1]
    for account_id in statuses.keys() - {wrong, dead}:
        assert_equal_to_source(database_url, sandbox, account_id)
