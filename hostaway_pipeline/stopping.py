"""Stops a process cleanly: each stop signal unwinds the main thread, as Ctrl-C does.

Unwinding releases locks, ends child processes and leaves the embedded Postgres; whoever owns other threads aborts them.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# A clean-up takes less, and a second signal must not interrupt it. After that it is stuck, and one may.
_CLEAN_UP_SECONDS = 10.0


def unwind_on_signals() -> None:
    """Make SIGINT, SIGTERM and SIGHUP (unless `nohup` ignores it) raise KeyboardInterrupt in the main thread, once."""
    stopped_at = float("-inf")

    def stop(*_: object) -> None:
        nonlocal stopped_at
        now = time.monotonic()
        if now - stopped_at > _CLEAN_UP_SECONDS:
            stopped_at = now
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)  # even where the parent shell had it ignored
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)


@contextmanager
def stop_signals_deferred() -> Iterator[None]:
    """Hold stop signals back until the end of the block, where the newest is raised as usual.

    For a step that must not be torn, such as starting a child and noting it. A child inherits nothing of this.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are delivered to the main thread only
        return
    held_back: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    caught = [number for number, handler in handlers.items() if callable(handler)]
    for number in caught:
        signal.signal(number, lambda found, _: held_back.append(found))
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, handlers[number])
        if held_back:
            signal.raise_signal(held_back[-1])
