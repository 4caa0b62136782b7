"""Stops a process cleanly: each stop signal unwinds the main thread, as Ctrl-C does.

Unwinding releases locks, ends child processes and leaves the embedded Postgres; whoever owns other threads aborts them.
"""

import signal
import time

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
