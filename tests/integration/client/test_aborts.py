"""Aborting a client: its threads end at once, whatever they wait for, and it starts no further request."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.errors import Aborted, NetworkError
from hostaway_pipeline.store.accounts.tokens import Tokens
from tests.factories import OpenAccount, OpenSandbox, OpenServices, add_account, synced

# Many times what is needed, and far less than what each of these waits would last.
SOON = 25.0


def assert_abort_ends(client: HostawayClient, threads: int = 3) -> None:
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(client.page, "/listings", {}) for _ in range(threads)]
        time.sleep(0.7)
        assert not any(one.done() for one in waiting)
        began = time.monotonic()
        client.abort()
        assert [type(one.exception(60)) for one in waiting] == [Aborted] * threads
        assert time.monotonic() - began < SOON


def test_an_abort_ends_requests_and_prevents_new_ones(open_account: OpenAccount) -> None:
    sandbox, services = open_account("59808:2:5")
    sandbox.faults.update(hang_share=1.0)
    with services.client(59808) as client:
        assert_abort_ends(client)
        calls = sandbox.counters.total
        with pytest.raises(Aborted):
            client.page("/listings", {})
    assert sandbox.counters.total == calls


def test_an_abort_ends_the_wait_for_a_paused_limiter(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    services = open_services(open_sandbox("59808:2:5"))
    add_account(services, 59808)
    services.slots.record_refusal(59808, services.slots.acquire(59808), datetime.now(UTC) + timedelta(minutes=5))
    with services.client(59808) as client:
        assert_abort_ends(client)


def test_an_abort_ends_the_wait_for_a_send_slot(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    services = open_services(open_sandbox("59808:2:5"))
    add_account(services, 59808)
    services.slots.acquire_send(59808)
    slot = services.slots.acquire(59808)
    services.slots.record_send_refusal(59808, slot, datetime.now(UTC) + timedelta(minutes=5))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(services.await_send_turn, 59808, services.sleep)
        time.sleep(0.7)
        assert not waiting.done()
        began = time.monotonic()
        services.abort()
        assert isinstance(waiting.exception(60), Aborted)
        assert time.monotonic() - began < SOON


def test_an_abort_ends_the_wait_between_two_attempts(open_account: OpenAccount) -> None:
    sandbox, services = open_account("59808:2:5")
    sandbox.faults.update(down=True)
    with services.client(59808, RetryPolicy(base_seconds=120, max_seconds=120)) as client:
        assert_abort_ends(client)


def test_an_abort_ends_the_wait_for_a_token_that_another_process_fetches(
    open_sandbox: OpenSandbox, open_services: OpenServices
) -> None:
    services = open_services(open_sandbox("59808:2:5"))
    add_account(services, 59808, with_token=False)
    is_over, is_fetching = threading.Event(), threading.Event()

    def fetch(_: str) -> object:
        is_fetching.set()
        is_over.wait(60)
        raise RuntimeError("no token")

    other = Tokens(services.database, services.keyring)
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(other.refresh, 59808, None, fetch)
        assert is_fetching.wait(60)
        with services.client(59808) as client:
            assert_abort_ends(client)
        is_over.set()
        assert type(holding.exception(60)) is RuntimeError


def test_an_abort_ends_the_wait_for_a_token(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    sandbox = open_sandbox("59808:2:5")
    services = open_services(sandbox)
    add_account(services, 59808, with_token=False)
    sandbox.faults.update(hang_share=1.0)
    with services.client(59808) as client:
        assert_abort_ends(client)


def test_leaving_its_with_block_aborts_a_client(open_account: OpenAccount) -> None:
    """A forgotten thread must not keep the process alive."""
    sandbox, services = open_account("59808:2:5")
    sandbox.faults.update(hang_share=1.0)
    with ThreadPoolExecutor(1) as pool:
        with services.client(59808) as client:
            waiting = pool.submit(client.page, "/listings", {})
            time.sleep(0.5)
        assert type(waiting.exception(SOON)) is Aborted


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_sync_ends_although_every_answer_has_one_more_byte(
    open_sandbox: OpenSandbox, open_services: OpenServices, part: str
) -> None:
    sandbox = open_sandbox("59808:2:5")
    services = open_services(sandbox, read_timeout=0.5)
    add_account(services, 59808)
    sandbox.faults.update(dribble=part)
    began = time.monotonic()
    with services.client(59808, RetryPolicy(max_attempts=2, base_seconds=0.1)) as client, pytest.raises(NetworkError):
        client.page("/listings", {})
    assert time.monotonic() - began < 60, "all bytes would take 50 minutes"
    sandbox.faults.clear()
    synced(open_services(sandbox), 59808)
