"""Hostaway's datetimes: naive `YYYY-MM-DD HH:MM:SS` in UTC, and the clock that moves `updatedOn`."""

import calendar
import time
from collections.abc import Callable

FORMAT = "%Y-%m-%d %H:%M:%S"


def stamp(seconds: float) -> str:
    """Unix seconds as Hostaway writes them."""
    return time.strftime(FORMAT, time.gmtime(seconds))


def seconds_of(text: str) -> int:
    """Unix seconds of a Hostaway datetime or date."""
    return calendar.timegm(time.strptime(text if " " in text else f"{text} 00:00:00", FORMAT))


class Clock:
    """Never behind what it has already told, so that a changed object always becomes the newest.

    Unless it is skewed: then it tells the present plus so many seconds, whatever it told before.
    """

    def __init__(self, newest: int) -> None:
        self._newest = newest
        self.skew: Callable[[], float | None] = lambda: None

    def after(self, earlier: str | None = None) -> str:
        """The present, at least one second past `earlier`."""
        skew = self.skew()
        if skew is not None:
            return stamp(time.time() + skew)
        floor = seconds_of(earlier) + 1 if earlier else 0
        self._newest = max(int(time.time()), self._newest, floor)
        return stamp(self._newest)
