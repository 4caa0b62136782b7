"""Reads single values off Hostaway's JSON, and what the definitions do with single values."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

MINOR_UNITS = {"JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3}
"""Decimal places of the currencies that do not have two; ISO 4217, as far as the tests use them."""


def number(value: Any) -> Decimal | None:
    try:
        return None if value is None or isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return None


def whole(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found == found.to_integral_value() else None


def day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def instant(value: Any) -> datetime | None:
    """A time in UTC from `YYYY-MM-DD HH:MM:SS`."""
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def is_set(value: Any) -> bool:
    return value in (1, "1", True)


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def zone_of(name: Any) -> ZoneInfo:
    """The time zone, or UTC where the name is none."""
    try:
        return ZoneInfo(name)
    except (TypeError, ValueError, OSError, KeyError):
        return ZoneInfo("UTC")


def month_of(moment: date) -> date:
    return moment.replace(day=1)


def share_of_night(amount: Decimal, night: int, nights: int, currency: str) -> Decimal:
    """The amount of night 1, 2, … of a stay in whole minor units: the shares of all nights sum to the amount."""
    places = MINOR_UNITS.get(currency, 2)
    return _rounded(amount, night, nights, places) - _rounded(amount, night - 1, nights, places)


def _rounded(amount: Decimal, night: int, nights: int, places: int) -> Decimal:
    """amount · night / nights, rounded half away from zero; exact, since a tie decides."""
    exact = Fraction(amount) * night / nights * 10**places
    half_up = int(abs(exact) + Fraction(1, 2))
    return Decimal(half_up if exact >= 0 else -half_up).scaleb(-places)


def ratio(part: Decimal | int | None, of: Decimal | int | None) -> Fraction | None:
    """Null instead of a division by nothing."""
    return Fraction(part) / Fraction(of) if part is not None and of else None


def mean(values: Iterable[Fraction | int]) -> Fraction | None:
    found = [Fraction(value) for value in values]
    return sum(found, Fraction()) / len(found) if found else None


def median(values: Iterable[Fraction | int]) -> Fraction | None:
    """The middle value, or the mean of the two in the middle."""
    found = sorted(Fraction(value) for value in values)
    middle = len(found) // 2
    return (found[middle] + found[~middle]) / 2 if found else None
