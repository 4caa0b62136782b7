"""When an account is due: pure decisions. store/cadences.py keeps them in a row per account and mode.

Due times lie on a grid that depends on the account alone. So after an outage each account is due once and not once per
missed period, nothing drifts, and adding or removing an account moves no other.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import blake2b
from typing import Self
from zoneinfo import ZoneInfo

from hostaway_pipeline.domain.calendar import CALENDAR
from hostaway_pipeline.domain.durations import Window, duration_text, parse_duration, parse_time_of_day
from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES, LISTINGS, MESSAGES, RESERVATIONS
from hostaway_pipeline.domain.vocabulary import Cadence, Mode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
# The part of the window in which reconciles become due; the last due ones need the rest.
_SPREAD = 0.9
# The limits of a period.
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=7)
# Time between two looks for audit trails that could not be read the first time. New accounts need not wait for it.
TRAILS_EVERY = timedelta(days=1)
# What a refresh reads.
_RECENT = {RESERVATIONS.name, CONVERSATIONS.name, MESSAGES.name}


@dataclass(frozen=True, slots=True)
class Schedule:
    """One mode of an account: its own period or, for reconciles, time of day; both None: as for all accounts."""

    every: timedelta | None = None
    at: time | None = None

    @classmethod
    def parse(cls, mode: Cadence, text: str) -> Self:
        """Parse `30m`, or `03:00` for reconciles, or `default`. Raises ValueError."""
        if text.strip() == "default":
            return cls()
        if mode == "reconcile":
            return cls(at=parse_time_of_day(text))
        every = parse_duration(text)
        if not SHORTEST <= every <= LONGEST:
            raise ValueError(f"{text!r} is not from {duration_text(SHORTEST)} to {duration_text(LONGEST)}")
        return cls(every=every)

    def __str__(self) -> str:
        if self.at is not None:
            return f"{self.at:%H:%M}"
        return "default" if self.every is None else duration_text(self.every)


DEFAULT = Schedule()


def schedule_texts(own: Mapping[Cadence, Schedule]) -> dict[str, str]:
    """An account's own schedules as text, by mode."""
    return {mode: str(schedule) for mode, schedule in own.items()}


@dataclass(frozen=True, slots=True)
class Plan:
    """The defaults of all accounts: the window for reconciles, in `zone`, and the periods of the other modes.

    A mode without a period is due on request only, for any account that has no period of its own.
    """

    window: Window
    zone: ZoneInfo
    periods: Mapping[Cadence, timedelta]

    @property
    def modes(self) -> list[Cadence]:
        """The modes that are due regularly."""
        return ["reconcile", *self.periods]

    def period(self, mode: str) -> timedelta:
        """The time between two due times; a day for reconciles, and for what is due on request only."""
        return next((period for name, period in self.periods.items() if name == mode), _DAY)

    def next_due(self, account_id: int, mode: Cadence, now: datetime, own: Schedule = DEFAULT) -> datetime | None:
        """The first point of the account's grid after `now`; None for a mode without one. `own`: its own schedule."""
        share = _phase(account_id, mode)
        if mode == "reconcile":
            if own.at is not None:
                return self._next_night(now, own.at, timedelta(0))
            return self._next_night(now, self.window.start, share * _SPREAD * self.window.length)
        period = own.every or self.periods.get(mode)
        if period is None:
            return None
        first = _EPOCH + share * period
        return first + ((now - first) // period + 1) * period

    def _next_night(self, now: datetime, start: time, offset: timedelta) -> datetime:
        """`offset` counts real time from the window's start: a night with a change of clocks is as long as any other.

        A start that the clocks skip or repeat means its first occurrence, by the rule of `zoneinfo`.
        """
        today = now.astimezone(self.zone).date()
        nights = (datetime.combine(today + n * _DAY, start, self.zone).astimezone(UTC) + offset for n in range(-1, 3))
        return next(night for night in nights if night > now)


def satisfied_by(mode: Mode, entities: Collection[str]) -> set[Cadence]:
    """The modes that are no longer due once a sync of this mode has succeeded for these entities."""
    read = set(entities)
    satisfied: set[Cadence] = set()
    if mode == "full" and read >= ENTITIES.keys():
        satisfied.add("full")
    if mode != "refresh" and read >= ENTITIES.keys():
        satisfied.add("reconcile")
    if read >= _RECENT:
        satisfied.add("refresh")
    if mode != "refresh" and LISTINGS.name in read:
        satisfied.add("listings")
    if CALENDAR in read:
        satisfied.add("calendar")
    return satisfied


def sync_of(cadence: Cadence) -> tuple[Mode, tuple[str, ...]]:
    """The mode and the entities of the sync that satisfies a cadence. No sync reads trails."""
    if cadence == "listings":
        return "reconcile", (LISTINGS.name,)
    if cadence == "calendar":
        return "reconcile", (CALENDAR,)
    if cadence == "trails":
        raise ValueError(cadence)
    return cadence, tuple(ENTITIES)


def _phase(account_id: int, mode: str) -> float:
    """Where in its period the account is due: a share from 0 to 1, the same on every machine and for ever."""
    digest = blake2b(f"{account_id}:{mode}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
