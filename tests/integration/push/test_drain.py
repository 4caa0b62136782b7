"""The drainer: one at a time, events that overtake its reads, and reads at its deadline."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.apply import Applied
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import OpenSandbox, assert_equal_to_source, is_drainer_alive, rows
from tests.waiting import in_the_background, wait_until

ACCOUNT = 1
EVENTS = "SELECT id, status FROM hostaway.webhook_events ORDER BY id"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:3:20")


def deliver(services: Services, payload: dict[str, Any], kind: str = "reservation") -> None:
    event = {"reservation": "reservation.updated", "conversationMessage": "message.received"}[kind]
    body = {"object": kind, "event": event, "accountId": ACCOUNT, "data": payload}
    services.inbox.accept([(parse_delivery(body), "request-1")])


def deliver_for_reading(services: Services, account: Account, count: int) -> None:
    """Deliver incomplete updates, each of which needs a read."""
    for reservation_id in list(account.reservations)[:count]:
        payload = account.update_reservation(reservation_id, guestName="Read me")
        del payload["status"]
        deliver(services, payload)


def applied_events(url: str) -> set[int]:
    return {row["id"] for row in rows(url, EVENTS) if row["status"] == "applied"}


def reported_events(reports: list[Applied]) -> list[int]:
    return [event_id for applied in reports for ids in applied.events.values() for event_id in ids]


def test_only_one_drainer_runs_at_a_time(services: Services) -> None:
    with services.drainer_lock() as is_alone:
        assert is_alone
        assert is_drainer_alive(services)
        assert not drain(services, lambda _: None, linger=0).is_alone
    assert not is_drainer_alive(services)


def test_a_successor_waits_for_the_drainers_end(services: Services, account: Account) -> None:
    with ThreadPoolExecutor(1) as pool:
        with services.drainer_lock():
            successor = pool.submit(drain, services, lambda _: None, linger=0, wait=30)
            deliver(services, account.update_reservation(next(iter(account.reservations)), guestName="Ada"))
            time.sleep(1)
            assert not successor.done()
        assert successor.result(30).events == 1


def test_at_its_deadline_a_drainer_reports_exactly_the_events_that_it_applied(
    services: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    """An operator sees exactly what was applied; the rest waits for the next drainer."""
    deliver_for_reading(services, account, 5)
    sandbox.config.latency = 1.5
    reports: list[Applied] = []
    drain(services, reports.append, linger=0, lifetime=0.5)
    assert sorted(reported_events(reports)) == sorted(applied_events(database_url))

    sandbox.config.latency = 0.0
    drain(services, reports.append, linger=0)
    assert sorted(reported_events(reports)) == sorted(applied_events(database_url))
    assert {row["status"] for row in rows(database_url, EVENTS)} == {"applied"}
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_an_edit_of_a_message_that_waits_for_its_conversation_is_not_lost(
    services: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    """The message is edited before its unknown conversation could be read: the edit wins."""
    conversation = account.add_conversation(next(iter(account.reservations)))
    message = account.add_message(conversation["id"], "first words")
    deliver_for_reading(services, account, 1)
    sandbox.faults.hold_after = 0  # this read holds up the account's next ones
    sandbox.counters.reset()

    with in_the_background(lambda: drain(services, lambda _: None, linger=0)):
        wait_until(lambda: sandbox.counters.max_in_flight > 0)
        deliver(services, message, "conversationMessage")
        time.sleep(1.0)
        edited = account.edit_message(conversation["id"], message["id"], "second thoughts")
        deliver(services, edited, "conversationMessage")
        time.sleep(1.0)
        sandbox.faults.hold_after = None

    body = "SELECT body FROM hostaway.messages WHERE id = %s"
    assert rows(database_url, body, message["id"]) == [{"body": "second thoughts"}]
    assert_equal_to_source(database_url, sandbox, ACCOUNT)
