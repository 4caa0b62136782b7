"""One sync per account at a time; a killed one leaves no lock, and the next one resumes where it stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hostaway_pipeline.errors import DatabaseUnavailable, SyncInProgress
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.store.locks import account_lock
from hostaway_pipeline.sync.pull.request import PullRequest
from hostaway_pipeline.sync.pull.run import pull_many
from hostaway_pipeline.wiring import services_on
from tests.factories import (
    OpenAccount,
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    rows,
    sync,
    synced,
)
from tests.waiting import wait_until

MESSAGES = "/v1/conversations/{id}/messages"


def started_sync(environment: dict[str, str], account_id: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hostaway_pipeline", "sync", str(account_id), "--json"]
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_second_sync_of_the_same_account_is_refused(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    services = open_services(open_sandbox("59808:2:5"))
    add_account(services, 59808)
    with account_lock(services.database, 59808), pytest.raises(SyncInProgress, match="59808 is being synced"):
        sync(services, 59808)


def test_a_second_sync_waits_if_requested(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    services = open_services(open_sandbox("59808:2:5"))
    add_account(services, 59808)
    lock = account_lock(services.database, 59808)
    lock.__enter__()
    threading.Timer(1.0, lambda: lock.__exit__(None, None, None)).start()
    synced(services, 59808, wait_seconds=30)


def test_other_accounts_are_not_blocked(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    services = open_services(open_sandbox("1:2:5", "2:2:5"))
    add_account(services, 2)
    with account_lock(services.database, 1):
        synced(services, 2)


def test_the_next_sync_resumes_where_a_killed_one_stopped(
    open_account: OpenAccount,
    cli_environment: Callable[[SandboxServer], dict[str, str]],
    database_url: str,
) -> None:
    sandbox, services = open_account("59808:3:200")
    sandbox.faults.hold_after = 60  # so that it is at work whenever the kill comes
    process = started_sync(cli_environment(sandbox) | {"HOSTAWAY_CONCURRENCY": "4"}, 59808)
    stored = "SELECT count(*) FROM hostaway.conversations WHERE messages_synced_at IS NOT NULL"
    wait_until(lambda: rows(database_url, stored)[0]["count"] >= 40)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    sandbox.faults.clear()
    read_before = rows(database_url, stored)[0]["count"]
    calls_before = sandbox.counters.calls()[MESSAGES]

    report = synced(services, 59808, wait_seconds=30)

    conversations = len(list(sandbox.world.account(59808).truth("conversations")))
    pages = sandbox.counters.calls()[MESSAGES] - calls_before
    in_flight, second_pages = 4, 1  # answered when nobody listened any more; one conversation has over 100 messages
    assert pages <= conversations - read_before + in_flight + second_pages
    assert report.entities["messages"].fetched < len(list(sandbox.world.account(59808).truth("messages")))
    assert_equal_to_source(database_url, sandbox, 59808)
    statuses = [row["status"] for row in rows(database_url, "SELECT status FROM hostaway.sync_runs ORDER BY id")]
    assert statuses == ["interrupted", "succeeded"]


def test_a_sync_after_a_finished_one_reads_everything_again(open_account: OpenAccount) -> None:
    sandbox, services = open_account("59808:3:30")
    synced(services, 59808)
    assert synced(services, 59808).entities["messages"].fetched == len(
        list(sandbox.world.account(59808).truth("messages"))
    )


def test_ctrl_c_is_recorded_and_releases_the_lock(
    open_account: OpenAccount,
    cli_environment: Callable[[SandboxServer], dict[str, str]],
    database_url: str,
) -> None:
    sandbox, services = open_account("59808:3:200")
    sandbox.faults.hold_after = 11
    process = started_sync(cli_environment(sandbox) | {"HOSTAWAY_CONCURRENCY": "2"}, 59808)
    wait_until(lambda: sandbox.counters.total > 10)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert rows(database_url, "SELECT status FROM hostaway.sync_runs") == [{"status": "interrupted"}]
    with account_lock(services.database, 59808):
        pass


def test_an_api_that_is_down_fails_the_sync_and_the_next_one_repairs_it(
    open_account: OpenAccount, database_url: str
) -> None:
    sandbox, services = open_account("59808:3:20")
    synced(services, 59808)
    sandbox.faults.update(down=True)
    report = sync(services, 59808)
    assert report.status == "failed"
    assert "HTTP 503" in str(report.error)
    sandbox.faults.clear()
    synced(services, 59808)
    assert_equal_to_source(database_url, sandbox, 59808)


@pytest.mark.parametrize("fault", [{"error_share": 0.05}, {"garbled_share": 0.05}])
def test_faults_of_single_answers_are_retried(
    open_account: OpenAccount, database_url: str, fault: dict[str, float]
) -> None:
    sandbox, services = open_account("59808:3:60")
    sandbox.faults.update(**fault)
    synced(services, 59808)
    sandbox.faults.clear()
    assert_equal_to_source(database_url, sandbox, 59808)


def test_a_lost_database_is_reported_clearly(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    sandbox = open_sandbox("59808:2:5")
    services = open_services(sandbox)
    gone = services_on(services.settings, "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable, match="127.0.0.1:1/none: Postgres cannot be reached"):
        sync(gone, 59808)


def test_an_interrupt_while_syncs_are_being_started_ends_them(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    """Starting a thread waits for it, and a signal may come in that wait."""
    sandbox = open_sandbox("1:2:5", "2:2:5")
    services = open_services(sandbox)
    add_account(services, 1)
    sandbox.faults.update(hang_share=1.0)

    def requests() -> Iterator[PullRequest]:
        yield PullRequest(1)
        wait_until(lambda: sandbox.counters.max_in_flight >= 1)
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(pull_many(services, requests()))
    assert time.monotonic() - began < 25, "less than the 30 s that one read may take"
    assert rows(database_url, "SELECT status FROM hostaway.sync_runs") == [{"status": "interrupted"}]
