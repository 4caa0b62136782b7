"""Waiting for what happens elsewhere, and doing two things at once."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """The time is for the slowest machine: only a failure uses it up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@contextmanager
def in_the_background(call: Callable[[], Any]) -> Iterator[None]:
    """Runs beside the block, and has ended after it; what it raises is raised here."""
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(call)
        yield
    ending.result()
