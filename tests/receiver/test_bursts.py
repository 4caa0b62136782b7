"""A burst at the door: thousands of connections that nobody uses do not keep a right delivery waiting in the queue."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from threading import Event

import orjson
import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.store.accounts.webhooks import Credential
from tests.factories import make_settings, reservation
from tests.receiver.steps import HOOK, Process, Receiver, basic, delivery, events, running, wait_until
from tests.receiver.test_durability import held_back
from tests.receiver.test_limits import head

StartProcess = Callable[..., Process]

OpenReceiver = Callable[..., Receiver]
MANY = 320


def connected(receiver: Receiver) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(receiver.url.rpartition(":")[2])), timeout=20)


def test_a_burst_of_connections_is_let_in_within_few_turns_of_the_loop(open_receiver: OpenReceiver) -> None:
    """Each turn also serves whoever is in already, and may be long."""
    receiver = open_receiver()
    limiter, has_come, turns = receiver.limiter, Event(), 0
    with ExitStack() as stack:
        stack.enter_context(closing(connected(receiver)))
        wait_until(lambda: len(limiter) == 1)
        [first] = limiter._connections
        loop = first.loop

        def turn() -> None:
            nonlocal turns
            turns += 1
            if len(limiter) <= MANY:
                loop.call_soon(turn)

        def wait() -> None:
            has_come.wait(20)
            turn()

        loop.call_soon_threadsafe(wait)
        for _ in range(MANY):
            stack.enter_context(closing(connected(receiver)))
        has_come.set()
        wait_until(lambda: len(limiter) == MANY + 1)
    assert turns < MANY / 4


def test_who_has_ended_listens_no_longer(database_url: str, sandbox: SandboxServer) -> None:
    with running(make_settings(database_url, sandbox.url), None) as receiver:
        connected(receiver).close()
    with pytest.raises(ConnectionRefusedError):
        connected(receiver)


def test_an_answer_to_a_client_that_has_disconnected_is_dropped_also_when_requests_are_pipelined(
    start_process: StartProcess, environment: dict[str, str], credential: Credential, database_url: str
) -> None:
    """uvicorn notices the disconnection for the last of the requests only."""
    process = start_process(environment)
    process.wait_until_up()
    receiver = Receiver(process.url, credential)
    body = orjson.dumps(delivery(reservation(1)))
    login = f"Authorization: {basic(credential.login, credential.password)['Authorization']}"
    with held_back(database_url, 1):
        with closing(connected(receiver)) as connection:
            connection.sendall(head("POST", HOOK, login, length=len(body)) + body + head("GET", "/health"))
            time.sleep(0.3)
        time.sleep(0.3)
    wait_until(lambda: len(events(database_url)) == 1)
    assert receiver.deliver(delivery(reservation(2))).status_code == 200
    process.stop()
    assert "error" not in process.text
