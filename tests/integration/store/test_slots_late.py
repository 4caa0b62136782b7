"""The limiter when answers and callers are late: no pause gets shorter, and no expired slot is used."""

import os
import select
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
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.slots import Slots
slots = Slots(Database(sys.argv[1]), egress="a", ip=RateLimit(1, 1.5), account=RateLimit(100_000, 1))
slots.acquire(1)
print("asleep", flush=True)
print(slots.acquire(1).timestamp(), flush=True)
"""


def stopped_while_asleep(database_url: str) -> tuple[float, float] | None:
    """Stop a process until the slot that it waits for has expired: when it went on, and its slot.

    None if it was stopped too late, as may happen on a busy machine.
    """
    process = subprocess.Popen([sys.executable, "-c", SLEEPER, database_url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGSTOP)
    is_too_late, _, _ = select.select([process.stdout], [], [], 3.0)
    went_on_at = time.time()
    os.kill(process.pid, signal.SIGCONT)
    slot = float(process.stdout.readline())
    assert process.wait(60) == 0
    return None if is_too_late else (went_on_at, slot)


def test_a_caller_that_oversleeps_its_slot_takes_another_one(database_url: str) -> None:
    """A stopped process or a stalled machine: its slot has expired, and others have filled the window since."""
    found = next(filter(None, (stopped_while_asleep(database_url) for _ in range(5))))
    went_on_at, slot = found
    assert slot > went_on_at, f"a request was let through {went_on_at - slot} s after the moment that was given to it"
