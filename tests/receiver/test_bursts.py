"""A burst at the door: thousands of connections that nobody uses do not keep a right delivery waiting in the queue."""

import socket
from collections.abc import Callable
from contextlib import ExitStack, closing
from threading import Event

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from tests.factories import make_settings
from tests.receiver.steps import Receiver, running, wait_until

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
