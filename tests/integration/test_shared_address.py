"""Two egress names on one IP address are recognised by their 429s, and named; an address each is not."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from hostaway_pipeline.defs.checks import check_result
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.checks import Checks
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.slots import Slots
from tests.factories import OpenSandbox, OpenServices, add_account, rows, sync

WIDE = RateLimit(100_000, 1)
# The command `hostaway`, ready to run, which begins when it is told to.
WAITING = """
import sys
from hostaway_pipeline.cli import main
print(flush=True)
sys.stdin.readline()
main()
"""
LIMIT = RateLimit(200, 10)


def slots_of(database: Database, egress: str, ip: RateLimit = LIMIT) -> Slots:
    return Slots(database, egress=egress, ip=ip, account=WIDE)


def refuse(slots: Slots, *, after: int) -> None:
    """A 429 for the request that follows as many others in its window."""
    for number in range(after + 1):
        sent = slots.acquire(number)
    slots.record_refusal(after, sent, datetime.now(UTC))


def refused(database: Database, *ranks: int, ip: RateLimit = LIMIT) -> list[str]:
    """Each name gets its 429 after so many requests; returns what the check says."""
    with ThreadPoolExecutor(len(ranks)) as pool:  # side by side: all within one window
        list(pool.map(lambda n: refuse(slots_of(database, f"name-{n}", ip), after=ranks[n]), range(len(ranks))))
    return found(database)


def found(database: Database) -> list[str]:
    return [finding.what for finding in Checks(database).shared_addresses()]


def test_two_processes_with_two_names_on_one_ip_are_both_named(
    open_sandbox: OpenSandbox,
    open_services: OpenServices,
    cli_environment: Callable[[SandboxServer], dict[str, str]],
) -> None:
    sandbox = open_sandbox("1:2:300", "2:2:300", ip_limit=30, window=3.0)
    services = open_services(sandbox)
    environment = cli_environment(sandbox) | {"HOSTAWAY_RATE_LIMIT_IP": "30/3", "HOSTAWAY_RATE_LIMIT_ACCOUNT": "30/3"}
    for account_id in (1, 2):
        add_account(services, account_id)

    def are_recognised() -> bool:
        rows(services.database.url(show_password=True), "DELETE FROM hostaway.rate_scopes RETURNING 1")
        with started(environment, 1) as first, started(environment, 2) as second:
            for process in (first, second):
                wait_for_line(process)
            for process in (first, second):
                send_line(process)
            ends_at = time.monotonic() + 20
            while not (found := services.checks.shared_addresses()) and time.monotonic() < ends_at:
                time.sleep(0.1)
        return bool(found)

    assert any(are_recognised() for _ in range(5)), "a busy machine lets one of them go ahead, which learns its pace"
    result = check_result(services, "reservations", "one_name_per_ip")
    assert not result.passed
    assert "egress-1 and egress-2 were refused together" in (result.description or "")


@contextmanager
def started(environment: dict[str, str], number: int) -> Iterator[subprocess.Popen[str]]:
    """A process that is about to sync this account through an egress of its own; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "sync", str(number)],
        env=os.environ | environment | {"HOSTAWAY_EGRESS": f"egress-{number}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    process.stdout.readline()


def send_line(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_lower_limit_of_two_addresses_is_not_taken_for_one_address(
    open_sandbox: OpenSandbox, open_services: OpenServices
) -> None:
    """Both learn it at the same time, at the start."""
    opened: list[Services] = []
    for number in (1, 2):
        sandbox = open_sandbox(f"{number}:2:30", ip_limit=20, window=2.0)
        services = open_services(
            sandbox, egress=f"egress-{number}", rate_limit_ip="100/2", rate_limit_account="100/2", concurrency=16
        )
        add_account(services, number)
        opened.append(services)

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda n: sync(opened[n], n + 1), range(2)))

    assert all(report.http_429 for report in reports)
    assert check_result(opened[0], "reservations", "one_name_per_ip").passed


@pytest.mark.parametrize(
    ("ranks", "is_shared"),
    [
        ((100, 100), True),
        ((50, 150), True),
        ((66, 67, 67), True),
        ((100,), False),
        ((199, 199), False),  # each at its own limit
        ((15, 15), False),  # a server with another limit, on two addresses
        ((40, 100), False),
    ],
)
def test_what_both_got_through_adds_up_to_one_limit(database: Database, ranks: Sequence[int], is_shared: bool) -> None:
    texts = refused(database, *ranks)
    names = [f"name-{number}" for number in range(len(ranks))]
    assert len(texts) == is_shared
    assert all(name in texts[0] for name in names if is_shared)


def test_at_the_slowest_pace_one_address_still_shows(database: Database, database_url: str) -> None:
    """The server allows 15 in 10 s together; each name has learned that, and sends as many."""
    for egress in ("name-0", "name-1"):
        rows(database_url, "INSERT INTO hostaway.rate_scopes (scope, slots, pace, pace_changed_at) "
             "VALUES (%s, '{}', 15, now()) RETURNING 1", f"ip:{egress}")  # fmt: skip
    assert len(refused(database, 7, 8)) == 1


@pytest.mark.parametrize("change", ["refused_at = refused_at - interval '20 seconds'", "refused_at = NULL"])
def test_refusals_at_different_times_are_no_sign(database: Database, database_url: str, change: str) -> None:
    refuse(slots_of(database, "a"), after=100)
    rows(database_url, f"UPDATE hostaway.rate_scopes SET {change} RETURNING 1")
    refuse(slots_of(database, "b"), after=100)
    assert found(database) == []


@pytest.mark.parametrize(
    "change",
    [
        "shared_at = shared_at - interval '25 hours'",
        "slots = array[now() - interval '61 minutes'] WHERE scope = 'ip:name-1'",
    ],
)
def test_the_sign_expires_and_ends_with_the_use_of_a_name(database: Database, database_url: str, change: str) -> None:
    assert len(refused(database, 100, 100)) == 1
    rows(database_url, f"UPDATE hostaway.rate_scopes SET {change} RETURNING 1")
    assert found(database) == []
