"""A listing's calendar: the range that is read, how an answer becomes days, and which days it proves to be gone.

A day has no webhook, and Hostaway says neither how many days there are nor when one changed. So it is no entity of
entities.py: its key is its date, and a day that is gone is deleted without a tombstone.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

from hostaway_pipeline.domain.deletions import Budget
from hostaway_pipeline.domain.payloads import Payload, sanitize
from hostaway_pipeline.domain.values import as_bool, as_date, as_decimal, as_int, as_text

CALENDAR = "calendar"  # its name beside those of the entities
MONTHS_AHEAD = 18


def _as_clean_text(value: Any) -> str | None:
    text = as_text(value)
    return None if text is None else as_text(sanitize(text))


# By column: the key in the payload and the reader. store/schema/calendar.py declares the same columns.
COLUMNS: Mapping[str, tuple[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "is_available": ("isAvailable", as_bool),
        "status": ("status", _as_clean_text),
        "price": ("price", as_decimal),
        "minimum_stay": ("minimumStay", as_int),
        "maximum_stay": ("maximumStay", as_int),
        "total_units": ("countAvailableUnits", as_int),
        "available_units": ("availableUnitsToSell", as_int),
        "blocked_units": ("countBlockedUnits", as_int),
        "pending_units": ("countPendingUnits", as_int),
    }
)


@dataclass(frozen=True, slots=True)
class Days:
    """The days of one answer: by date, the values of COLUMNS in their order.

    `is_whole`: every element of the answer was a day, and as many came as Hostaway counted.
    """

    values: Mapping[date, tuple[Any, ...]] = field(default_factory=dict)
    is_whole: bool = True

    def covers(self, day: date) -> bool:
        """Whether the answer would show this day. One that was cut short or moved shows nothing beyond its ends."""
        return self.is_whole and bool(self.values) and min(self.values) < day < max(self.values)


@dataclass(frozen=True, slots=True)
class Gone:
    """The days to delete; the number of those that were missing and stay, and why they do."""

    days: frozenset[date] = frozenset()
    held_back: int = 0
    reason: str | None = None


def span(today: date) -> tuple[date, date]:
    """The days that are read, both included: whole months, from last month to the one 18 months ahead."""
    return _first_of_month(today, -1), _first_of_month(today, MONTHS_AHEAD + 1) - timedelta(1)


def days_of(elements: Iterable[Payload], *, expected: int) -> Days:
    """Parse an answer. Elements without a readable date are left out; of two with the same date the later counts.

    `expected`: how many elements make the answer whole.
    """
    values: dict[date, tuple[Any, ...]] = {}
    readable = 0
    for element in elements:
        if (day := as_date(element.get("date"))) is not None:
            readable += 1
            values[day] = tuple(read(element.get(key)) for key, read in COLUMNS.values())
    return Days(values, is_whole=readable == expected)


def plan_deletions(missing: AbstractSet[date], first: Days, second: Days, *, stored: int, max_share: float) -> Gone:
    """Choose the stored days to delete: both answers lack them, and would show them.

    `missing`: stored days in the range that the first answer lacks. `stored`: how many days of the range are stored.
    `max_share`: of these, how many may go at once, and five always may; 1: any number, even all.
    """
    absent = frozenset(missing - second.values.keys())
    is_any_allowed = max_share >= 1 and first.is_whole and second.is_whole
    proven = absent if is_any_allowed else frozenset(d for d in absent if first.covers(d) and second.covers(d))
    budget = Budget(live=stored, marked=0, max_share=max_share)
    if not is_any_allowed and len(proven) > budget.allowed:
        share = f"at most {budget.allowed} may be deleted at once"
        reason = f"{len(proven)} of {stored} stored days are missing from two answers; {share}"
        return Gone(held_back=len(absent), reason=reason)
    unproven = len(absent) - len(proven)
    why = f"{unproven} stored days are missing, but the answer was not complete" if unproven else None
    return Gone(proven, unproven, why)


def _first_of_month(day: date, months: int) -> date:
    """The first day of the month that lies so many months after that of `day`."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
