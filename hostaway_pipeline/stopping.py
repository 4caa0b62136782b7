"""How a process of ours ends when it is asked to: every signal unwinds the main thread, as Ctrl-C does.

So locks are released, children ended, the embedded Postgres left; what waits in other threads, its owner aborts.
"""

import signal
import time

# A clean-up takes less. Until then another signal must not break it; after that, it did not get anywhere.
_CLEAN_UP_SECONDS = 10.0


def unwind_on_signals() -> None:
    """SIGINT, SIGTERM and SIGHUP (unless `nohup` ignores it) raise KeyboardInterrupt in the main thread, once."""
    asked_at = float("-inf")

    def stop(*_: object) -> None:
        nonlocal asked_at
        now = time.monotonic()
        if now - asked_at > _CLEAN_UP_SECONDS:
            asked_at = now
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)  # also where a shell started us with it ignored
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)
