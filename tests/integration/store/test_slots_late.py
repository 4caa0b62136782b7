"""The limiter when answers and callers are late: no pause gets shorter, and no expired slot is used."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.slots import Slots


@pytest.mark.parametrize("second", [timedelta(seconds=-30), timedelta(seconds=0.5), None])
def test_a_second_429_does_not_shorten_the_pause(database: Database, second: timedelta | None) -> None:
    """Concurrent requests are refused together, each with its own Retry-After, or with none."""
    limit = RateLimit(100, 1)
    slots = Slots(database, egress="a", ip=limit, account=limit)
    now = datetime.now(UTC)
    sent = slots.acquire(1)
    slots.record_refusal(1, sent, now + timedelta(seconds=2.5))
    slots.record_refusal(1, sent, None if second is None else now + second)
    assert slots.acquire(1) >= now + timedelta(seconds=2.5)


def test_a_second_429_may_lengthen_the_pause(database: Database) -> None:
    limit = RateLimit(100, 1)
    slots = Slots(database, egress="a", ip=limit, account=limit)
    now = datetime.now(UTC)
    sent = slots.acquire(1)
    for seconds in (0.5, 2.0):
        slots.record_refusal(1, sent, now + timedelta(seconds=seconds))
    assert slots.acquire(1) >= now + timedelta(seconds=2)


SLEEPER = """
import sys
from datetime import UTC, datetime
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.slots import Slots
slots = Slots(Database(sys.argv[1]), egress="a", ip=RateLimit(1, 1.5), account=RateLimit(100_000, 1))
slots.acquire(1)
print("asleep", flush=True)
slot = slots.acquire(1)
print((datetime.now(UTC) - slot).total_seconds(), flush=True)
"""


def test_a_caller_that_oversleeps_its_slot_takes_another_one(database_url: str) -> None:
    """A stopped process or a stalled machine: its slot has expired, and others have filled the window since."""
    command = [sys.executable, "-c", SLEEPER, database_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(4.0)
    os.kill(process.pid, signal.SIGCONT)
    late = float(process.stdout.readline())
    assert process.wait(10) == 0
    assert late < 1.5, f"a request was let through {late} s after the moment that was given to it"
