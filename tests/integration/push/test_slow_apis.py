"""Slow, silent and broken APIs while events are applied: waiting is not a failure, and a failure affects one object."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.inbox import MAX_ATTEMPTS
from hostaway_pipeline.sync.push.apply import Applied
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import (
    ENCRYPTION_KEYS,
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    is_drainer_alive,
    rows,
    synced,
)
from tests.waiting import in_the_background, wait_until

ONE, TWO = 1, 2
READ_SECONDS = 1.0
PATH = "/v1/reservations/{id}"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:2:100", "2:2:20")


@pytest.fixture
def options() -> dict[str, Any]:
    return {"read_timeout": READ_SECONDS}


def deliver_ambiguous(services: Services, sandbox: SandboxServer, account_id: int, *ids: int) -> None:
    """Deliver one event per reservation that lacks a key, so that each needs a read."""
    account = sandbox.world.account(account_id)
    for reservation_id in ids or list(account.reservations):
        payload = account.update_reservation(reservation_id, guestName="Changed")
        del payload["status"]
        body = {"object": "reservation", "event": "reservation.updated", "accountId": account_id, "data": payload}
        services.inbox.accept([(parse_delivery(body), "request-1")])


def drain_inbox(services: Services, **options: float) -> list[Applied]:
    reports: list[Applied] = []
    assert drain(services, reports.append, **({"linger": 0} | options)).is_alone
    return reports


def events(url: str, account_id: int = ONE) -> list[dict[str, Any]]:
    return rows(url, "SELECT * FROM hostaway.webhook_events WHERE account_id = %s ORDER BY id", account_id)


def let_wait_no_longer(url: str) -> None:
    rows(url, "UPDATE hostaway.webhook_events SET retry_at = NULL RETURNING 1")
    rows(url, "UPDATE hostaway.accounts SET paused_until = NULL RETURNING 1")


# An API that hangs


@contextmanager
def drainer_process(url: str, sandbox: SandboxServer) -> Iterator[subprocess.Popen[bytes]]:
    """A drainer in a process of its own, which a test may kill."""
    code = (
        "from hostaway_pipeline.settings import load_settings\n"
        "from hostaway_pipeline.sync.push.drain import drain\n"
        "from hostaway_pipeline.wiring import open_services\n"
        "drain(open_services(load_settings(), create=False), lambda _: None, linger=1e9, lifetime=1e9)\n"
    )
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HOSTAWAY_")},
        "HOSTAWAY_DATABASE_URL": url,
        "HOSTAWAY_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
        "HOSTAWAY_API_URL": sandbox.url,
        "HOSTAWAY_READ_TIMEOUT": "60",
        "HOSTAWAY_EGRESS": "tests",
    }
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_no_event_is_lost_when_a_drainer_is_killed_while_an_api_hangs(
    services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    sandbox.faults.hanging_accounts = {ONE}
    deliver_ambiguous(services, sandbox, ONE)
    drain_inbox(services)
    assert all(event["retry_at"] for event in events(database_url))
    let_wait_no_longer(database_url)
    with drainer_process(database_url, sandbox) as process:
        # Claimed, and handed on to be read: what is killed while it waits for an answer has not failed.
        wait_until(lambda: all(e["claimed_at"] and not e["begun_at"] for e in events(database_url)))
        process.kill()
        process.wait()
    wait_until(lambda: not is_drainer_alive(services))
    assert {event["status"] for event in events(database_url)} == {"pending"}
    sandbox.faults.clear()
    let_wait_no_longer(database_url)
    drain_inbox(services)
    found = events(database_url)
    assert {(event["status"], event["attempts"]) for event in found} == {("applied", 0)}
    assert_equal_to_source(database_url, sandbox, ONE)
    answered = [one for one in sandbox.counters.arrivals() if one.path == PATH and one.status == 200]
    assert len(answered) <= 200, "each object is read twice at most"


def test_events_that_wait_for_a_silent_account_are_not_claimed_again(
    services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    """However long they wait: the drainer knows what it has claimed."""
    sandbox.faults.hanging_accounts = {ONE}
    deliver_ambiguous(services, sandbox, ONE, *list(sandbox.world.account(ONE).reservations)[:3])
    reports = drain_inbox(services, linger=0.5, lifetime=20)
    assert any(applied.error for applied in reports)
    assert [event["attempts"] for event in events(database_url)] == [0, 0, 0]
    assert {event["claimed_at"] for event in events(database_url)} == {None}


def test_a_silent_account_costs_one_call_at_the_next_attempt(
    services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    sandbox.faults.dead_accounts = {ONE}
    deliver_ambiguous(services, sandbox, ONE, *list(sandbox.world.account(ONE).reservations)[:20])
    drain_inbox(services)
    assert services.accounts.get(ONE).failures == 1
    let_wait_no_longer(database_url)
    sandbox.counters.reset()
    drain_inbox(services)
    assert sandbox.counters.calls() == {"/v1/listings": 1}
    assert {event["attempts"] for event in events(database_url)} == {0}


def test_a_rate_limit_is_not_a_failure_of_the_account(
    services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    sandbox.faults.storm_seconds = 60
    deliver_ambiguous(services, sandbox, ONE, next(iter(sandbox.world.account(ONE).reservations)))
    drain_inbox(services, lifetime=1.0)
    assert services.accounts.get(ONE).failures == 0
    assert [(event["status"], event["attempts"]) for event in events(database_url)] == [("pending", 0)]


# One object that fails


@pytest.mark.parametrize("oddity", ["500", "null", "html-404"])
def test_one_broken_object_in_a_hundred_stops_no_other(
    services: Services, sandbox: SandboxServer, database_url: str, oddity: Any
) -> None:
    broken = list(sandbox.world.account(ONE).reservations)[50]
    sandbox.faults.odd_answers = {f"/v1/reservations/{broken}": oddity}
    deliver_ambiguous(services, sandbox, ONE)
    began = time.monotonic()
    drain_inbox(services)
    assert time.monotonic() - began < 60
    left = [event for event in events(database_url) if event["status"] != "applied"]
    assert [(event["object_id"], event["status"], event["attempts"]) for event in left] == [(broken, "pending", 1)]
    account = services.accounts.get(ONE)
    assert (account.failures, account.paused_until) == (0, None)

    for _ in range(MAX_ATTEMPTS - 1):
        let_wait_no_longer(database_url)
        drain_inbox(services)
    event = next(event for event in events(database_url) if event["object_id"] == broken)
    assert (event["status"], event["attempts"]) == ("failed", MAX_ATTEMPTS)
    assert f"failed {MAX_ATTEMPTS} times, the last time with GET /reservations/{broken}" in event["error"]
    assert services.accounts.get(ONE).failures == 0


def test_a_broken_conversation_fails_only_its_own_messages(
    services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    account = sandbox.world.account(ONE)
    for reservation_id, oddity in zip(list(account.reservations)[:2], ("500", None), strict=True):
        conversation = account.add_conversation(reservation_id)
        if oddity:
            sandbox.faults.odd_answers = {f"/v1/conversations/{conversation['id']}": "500"}
        payload = account.add_message(conversation["id"], "Hello")
        body = {"object": "conversationMessage", "event": "message.received", "accountId": ONE, "data": payload}
        services.inbox.accept([(parse_delivery(body), "request-1")])
    drain_inbox(services)
    assert [(event["status"], event["attempts"]) for event in events(database_url)] == [("pending", 1), ("applied", 0)]


# Other accounts meanwhile


def test_a_hanging_account_delays_no_other_when_a_drainer_ends(
    services: Services, sandbox: SandboxServer, database_url: str, open_services: OpenServices
) -> None:
    """Its read takes a minute."""
    services = open_services(sandbox, read_timeout=60.0)
    sandbox.faults.hanging_accounts = {ONE}
    deliver_ambiguous(services, sandbox, ONE)
    ended = threading.Event()

    def go_on() -> None:
        for reservation_id in list(sandbox.world.account(TWO).reservations):
            deliver_ambiguous(services, sandbox, TWO, reservation_id)
            time.sleep(0.4)
        ended.set()

    thread = threading.Thread(target=go_on)
    thread.start()
    lengths = []
    while not ended.is_set() or any(event["status"] == "pending" for event in events(database_url, TWO)):
        began = time.monotonic()
        drain_inbox(services, linger=1.0, lifetime=2.0)
        lengths.append(time.monotonic() - began)
    thread.join()
    delays = [(event["applied_at"] - event["received_at"]).total_seconds() for event in events(database_url, TWO)]
    assert max(delays) <= 30
    assert max(lengths) <= 30
    assert_equal_to_source(database_url, sandbox, TWO)


def test_hanging_accounts_do_not_use_up_the_capacity_of_others(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    sandbox = open_sandbox(*(f"{number}:1:2" for number in range(1, 10)))
    services = open_services(sandbox, read_timeout=60.0)
    for number in range(1, 10):
        add_account(services, number)
        synced(services, number)
    sandbox.faults.hanging_accounts = set(range(1, 9))
    for number in range(1, 10):
        deliver_ambiguous(services, sandbox, number)
    with in_the_background(lambda: drain_inbox(services)):
        wait_until(lambda: {event["status"] for event in events(database_url, 9)} == {"applied"}, 45)
        assert {event["status"] for number in range(1, 9) for event in events(database_url, number)} == {"pending"}
        sandbox.faults.clear()


def test_events_being_read_at_the_deadline_are_released(
    services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    sandbox.faults.hanging_accounts = {ONE}
    deliver_ambiguous(services, sandbox, ONE, *list(sandbox.world.account(ONE).reservations)[:20])
    drain_inbox(services, lifetime=0.5)
    assert {(e["status"], e["claimed_at"], e["attempts"]) for e in events(database_url)} == {("pending", None, 0)}
    sandbox.faults.clear()
    let_wait_no_longer(database_url)
    drain_inbox(services)
    assert_equal_to_source(database_url, sandbox, ONE)
