"""Durations and times of day as people write them: `15m`, `8h`, `1d`, `02:00`."""

import re
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Self

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DAY = timedelta(days=1)


def parse_duration(text: str) -> timedelta:
    """Parse a whole number with a unit: `90s`, `15m`, `8h`, `1d`. Raises ValueError."""
    match = re.fullmatch(r"\s*([1-9][0-9]{0,6})\s*([smhd])\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 90s, 15m, 8h or 1d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def duration_text(duration: timedelta) -> str:
    """Write a duration of whole seconds as `parse_duration` reads it, in its largest unit that fits."""
    seconds = int(duration.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def rounded(duration: timedelta) -> str:
    """In seconds, minutes, hours or days, whichever is readable: `12.3m`."""
    seconds = duration.total_seconds()
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= 2 * length:
            return f"{round(seconds / length, 1):g}{unit}"
    return f"{seconds:.0f}s"


def parse_time_of_day(text: str) -> time:
    """Parse `02:00`. Raises ValueError."""
    match = re.fullmatch(r"\s*([01]?[0-9]|2[0-3]):([0-5][0-9])\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time of day such as 02:00")
    return time(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class Window:
    """A part of each day: it starts at `start`, local time, and lasts `length`, one day at most."""

    start: time
    length: timedelta

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `02:00/6h`: six hours from two o'clock on. Raises ValueError."""
        start, slash, length = text.partition("/")
        if not slash:
            raise ValueError(f"{text!r} is not of the form START/LENGTH, such as 02:00/6h")
        window = cls(parse_time_of_day(start), parse_duration(length))
        if window.length > _DAY:
            raise ValueError(f"{text!r}: a window lasts one day at most")
        return window

    def __str__(self) -> str:
        return f"{self.start:%H:%M}/{duration_text(self.length)}"
