"""Which months a report shows, and how it names them."""

from collections.abc import Iterator
from datetime import date

from hostaway_pipeline.store.portfolio import Period

_BEFORE, _AHEAD = 24, 6
_PACE_AHEAD = 3


def period_of(today: date) -> Period:
    """Two years back and half a year ahead; the pace of the next three months, and of the same a year earlier."""
    this_month = today.replace(day=1)
    coming = [shifted(this_month, months) for months in range(1, _PACE_AHEAD + 1)]
    return Period(
        today=today,
        first=shifted(this_month, -_BEFORE),
        last_month=shifted(this_month, -1),
        this_month=this_month,
        last=shifted(this_month, _AHEAD),
        pace=(*coming, *(shifted(month, -12) for month in coming)),
    )


def months_of(period: Period, *, last: date | None = None) -> Iterator[date]:
    """Every month of the period, or up to `last`."""
    month = period.first
    while month <= (last or period.last):
        yield month
        month = shifted(month, 1)


def shifted(month: date, months: int) -> date:
    """The first of the month that many months later."""
    years, place = divmod(month.month - 1 + months, 12)
    return date(month.year + years, place + 1, 1)


def month_name(month: date) -> str:
    """Such as Aug 2026, whatever the locale."""
    return f"{_NAMES[month.month - 1]} {month.year}"


_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
