"""The circuit breaker of an account: when a failing account is left alone, and for how long."""

from datetime import timedelta

# A transient fault was retried within each sync already; wrong credentials stay wrong.
FAILURE_THRESHOLD = 3
_FIRST = timedelta(minutes=5)
_LONGEST = timedelta(hours=1)


def pause_after(failures: int, *, is_permanent: bool) -> timedelta | None:
    """How long no sync should start by itself after so many failures in a row; None: the next one may."""
    beyond = failures - (1 if is_permanent else FAILURE_THRESHOLD)
    if beyond < 0:
        return None
    doublings = min(beyond, 10)
    return min(_LONGEST, _FIRST * (1 << doublings))
