"""Hostaway's datetimes (`YYYY-MM-DD HH:MM:SS` in UTC, without zone), and the clock that sets `updatedOn`."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

EPOCH = datetime.fromisoformat("1970-01-01")


def stamp(seconds: float) -> str:
    """Format Unix seconds as Hostaway does."""
    return (EPOCH + timedelta(seconds=int(seconds))).isoformat(" ")


def seconds_of(text: str) -> int:
    """Parse a Hostaway datetime or date into Unix seconds."""
    return int((datetime.fromisoformat(text) - EPOCH).total_seconds())


class Clock:
    """A clock that never goes back, so that a changed object always becomes the newest.

    With a skew, it returns the present plus that many seconds, even if that goes back.
    """

    def __init__(self, newest: int) -> None:
        self._newest = newest
        self.skew: Callable[[], float | None] = lambda: None

    def after(self, earlier: str | None = None) -> str:
        """The present, but at least one second after `earlier`."""
        skew = self.skew()
        if skew is not None:
            return stamp(time.time() + skew)
        floor = seconds_of(earlier) + 1 if earlier else 0
        self._newest = max(int(time.time()), self._newest, floor)
        return stamp(self._newest)
