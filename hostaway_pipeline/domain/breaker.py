"""The circuit breaker of an account: when its syncs pause after failures, and for how long."""

from datetime import timedelta

# Transient failures in a row that open it, since each sync retries by itself. One permanent failure opens it at once.
FAILURE_THRESHOLD = 3
_FIRST_PAUSE = timedelta(minutes=5)
_MAX_PAUSE = timedelta(hours=1)


def pause_after(failures: int, *, is_permanent: bool) -> timedelta | None:
    """How long to start no scheduled sync after this many failures in a row; None: the breaker stays closed."""
    beyond = failures - (1 if is_permanent else FAILURE_THRESHOLD)
    if beyond < 0:
        return None
    doublings = min(beyond, 10)
    return min(_MAX_PAUSE, _FIRST_PAUSE * (1 << doublings))
