"""Killing a sender at any moment: at most one message reaches Hostaway, and the caller gets the true status."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hostaway_pipeline.errors import MessageNotSent
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import as_environment
from hostaway_pipeline.sync.sending.send import SendRequest, send_message
from tests.factories import OpenSandbox, rows
from tests.waiting import wait_until

ACCOUNT = 59808
MOMENTS = 20
# Imports once, then forks a sender for each line that it reads; each tells when it begins, and when it has ended.
FORKS = """
import os, signal, sys
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.sync.sending.send import SendRequest, send_message
from hostaway_pipeline.wiring import open_services

def tell(text):
    os.write(1, text.encode() + b"\\n")

for line in sys.stdin:
    key, reservation_id = line.split()
    child = os.fork()
    if child == 0:
        services = open_services(load_settings())
        services.database.check_server()
        tell(f"{os.getpid()}")
        send_message(services, SendRequest(key, int(reservation_id), f"This is {key}."))
        tell("sent")
        signal.pause()
    os.waitpid(child, 0)
    tell("ended")
"""


class Senders:
    """Processes that send one message each."""

    def __init__(self, environment: dict[str, str]) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOSTAWAY_")}
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", FORKS]
        self._forks = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, env=clean | environment)

    def start(self, key: str, reservation_id: int) -> int:
        """Start a sender; return its process id once it is about to send."""
        assert self._forks.stdin is not None
        self._forks.stdin.write(f"{key} {reservation_id}\n")
        return int(self.line())

    def kill(self, process: int) -> None:
        os.kill(process, signal.SIGKILL)
        while self.line() != "ended":
            pass

    def line(self) -> str:
        assert self._forks.stdout is not None
        return self._forks.stdout.readline().strip()

    def stop(self) -> None:
        self._forks.communicate()


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    """Its answers take long enough for a kill to hit them."""
    return open_sandbox(f"{ACCOUNT}:2:30", send_limit=None, latency=0.15)


@pytest.fixture
def senders(services: Services) -> Iterator[Senders]:
    started = Senders(as_environment(services.settings))
    yield started
    started.stop()


def at_hostaway(account: Account, key: str) -> int:
    return sum(message["body"] == f"This is {key}." for message in account.truth("messages"))


def status_for_caller(services: Services, key: str, reservation_id: int, **wish: Any) -> str:
    try:
        return send_message(services, SendRequest(key, reservation_id, f"This is {key}.", **wish)).status
    except MessageNotSent as error:
        return error.status


def test_a_sender_killed_at_any_moment_sends_no_message_twice_and_reports_the_truth(
    services: Services, sandbox: SandboxServer, senders: Senders, reservation_id: int, database_url: str
) -> None:
    account = sandbox.world.account(ACCOUNT)
    sandbox.faults.update(send_delay=0.3)
    whole = senders.start("whole", reservation_id)
    began = time.monotonic()
    assert senders.line() == "sent"
    span = 1.1 * (time.monotonic() - began)
    senders.kill(whole)

    left = dict[str, str | None]()
    for moment in range(MOMENTS):
        key = f"killed-{moment}"
        process = senders.start(key, reservation_id)
        time.sleep(span * moment / (MOMENTS - 1))
        senders.kill(process)
        message = services.outbox.find(key)
        left[key] = message and message.status
    sandbox.faults.clear()
    wait_until(lambda: sandbox.counters.in_flight == 0)  # what was accepted is there

    for key, status in left.items():
        there = at_hostaway(account, key)
        assert there <= 1
        age(database_url, key, "40 seconds")
        if status in (None, "pending"):
            assert there == 0
        else:
            assert status_for_caller(services, key, reservation_id) == ("sent" if there else "unclear"), key
            assert at_hostaway(account, key) == there, "a repetition sends nothing by itself"
            age(database_url, key, "1 hour")
        assert status_for_caller(services, key, reservation_id, resend=status == "sending") == "sent"
        assert status_for_caller(services, key, reservation_id) == "sent"
        assert at_hostaway(account, key) == 1
    assert "sending" in left.values(), "some were killed while Hostaway was at work"


def age(url: str, key: str, by: str) -> None:
    """Age the attempt; also ends the lease of a dead sender."""
    earlier = "SET attempted_at = attempted_at - %s::interval, claimed_until = claimed_until - %s::interval"
    rows(url, f"UPDATE hostaway.outbound_messages {earlier} WHERE idempotency_key = %s RETURNING 1", by, by, key)
