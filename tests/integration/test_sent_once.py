"""Sent once, whatever dies and however late Hostaway accepts: the fence decides, and the words are true."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from hostaway_pipeline.errors import MessageNotSent
from hostaway_pipeline.sandbox.account import Account
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sync.send import Wish, send_message
from hostaway_pipeline.wiring import Services
from tests.factories import add_account, synced
from tests.waiting import wait_until

OpenSandbox = Callable[..., SandboxServer]
OpenServices = Callable[..., Services]
ACCOUNT = 59808
SENDS = "POST /v1/conversations/{id}/messages"
BODY = "Breakfast & dinner: <8 am>"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:2:10", send_limit=None)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    """An account that is synced; Hostaway's answers are waited for for a second."""
    opened = open_services(sandbox, read_timeout=1.0)
    add_account(opened, ACCOUNT)
    synced(opened, ACCOUNT)
    return opened


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    return sandbox.world.account(ACCOUNT)


@pytest.fixture
def reservation_id(account: Account) -> int:
    """One with a single conversation."""
    named = [payload["reservationId"] for payload in account.truth("conversations")]
    return next(one for one in named if one is not None and named.count(one) == 1)


def outcome(services: Services, reservation_id: int, key: str = "key", **wish: Any) -> str:
    """The status that the caller learns."""
    try:
        return send_message(services, Wish(key, reservation_id, BODY, **wish)).status
    except MessageNotSent as error:
        return error.status


def sent(account: Account, reservation_id: int) -> list[str]:
    """What the guest reads of what was not there at first."""
    return [message.body for message in account.threads_of(reservation_id)[0].messages if "Breakfast" in message.body]


def pause_sends(services: Services, seconds: float) -> None:
    """As a 429 does."""
    slot = services.slots.acquire(ACCOUNT)
    services.slots.send_refused(ACCOUNT, slot, slot + timedelta(seconds=seconds))


def cut_all_connections(url: str) -> None:
    """As a restart of Postgres, or a firewall, does."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((others + "AND pid <> pg_backend_pid()").encode())


# The three ways of sending twice


def test_a_sender_whose_connections_die_while_it_waits_for_its_turn_and_a_repetition_send_one_message(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int, database_url: str
) -> None:
    assert outcome(services, reservation_id, "earlier") == "sent"
    pause_sends(services, 2.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(outcome, services, reservation_id)
        wait_until(lambda: services.outbox.find("key") is not None)
        cut_all_connections(database_url)
        second = pool.submit(outcome, services, reservation_id)
    assert "sent" in {first.result(), second.result()} <= {"sent", "busy"}
    assert sandbox.counters.calls()[SENDS] == 2
    assert len(sent(account, reservation_id)) == 2


def test_a_message_that_hostaway_accepts_late_is_not_sent_again_and_is_found_later(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    """Later than the sender waits and looks, and than the caller who repeats at once looks."""
    sandbox.faults.update(send_delay=60.0)
    assert outcome(services, reservation_id) == "unclear"
    assert outcome(services, reservation_id) == "unclear"
    sandbox.faults.update(send_delay=0.0)
    wait_until(lambda: bool(sent(account, reservation_id)))
    assert outcome(services, reservation_id) == "sent"
    assert outcome(services, reservation_id) == "sent"
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent(account, reservation_id) == [BODY]


def test_a_text_that_hostaway_stores_as_html_is_recognised(
    services: Services, sandbox: SandboxServer, account: Account, reservation_id: int
) -> None:
    sandbox.faults.update(send_escapes=True, send_unclear="500")
    assert outcome(services, reservation_id) == "sent"
    assert outcome(services, reservation_id) == "sent"
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent(account, reservation_id) == ["Breakfast &amp; dinner: &lt;8 am&gt;"]
