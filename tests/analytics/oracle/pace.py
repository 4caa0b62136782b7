"""What was on the books for each month at the end of a day, by pickup and against the year before."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from tests.analytics.oracle.history import History
from tests.analytics.oracle.values import month_of

Key = tuple[int, date, str]
Books = dict[Key, tuple[int, Decimal]]
NOTHING = (0, Decimal())


class Pace:
    """The books of one account on any day; each day is computed once."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.books = cache(self._books)

    def _books(self, at: date) -> Books:
        """Sold unit-nights and their rent, by property, month and currency."""
        found: defaultdict[Key, tuple[int, Decimal]] = defaultdict(lambda: NOTHING)
        for booking in self._history.on(at):
            for night in booking.each_night() if booking.state == "sold" and booking.property_id else ():
                key = booking.property_id or 0, month_of(night.on), booking.currency
                nights, rent = found[key]
                found[key] = nights + booking.units, rent + (night.rent or 0)
        return dict(found)

    def rows(self, at: date) -> dict[Key, dict[str, Any]]:
        """The figures of that day, by property, month and currency; without those that are all 0."""
        days = [at, at - timedelta(7), at - timedelta(30)]
        now, week, days_30 = (self.books(on) for on in days)
        twin = _same_date(at)
        keys = {*now, *week, *days_30}
        for on in (twin, at - timedelta(365), at - timedelta(366)):
            keys |= {(home, _next_year(month), currency) for home, month, currency in (self.books(on) if on else ())}
        rows = {key: self._row(key, at, twin, (now, week, days_30)) for key in keys}
        return {key: row for key, row in rows.items() if any(row.values())}

    def _row(self, key: Key, at: date, twin: date | None, books: tuple[Books, Books, Books]) -> dict[str, Any]:
        home, month, currency = key
        before = home, month.replace(year=month.year - 1), currency
        now, week, days_30 = (found.get(key, NOTHING) for found in books)
        by_date = self.books(twin).get(before, NOTHING) if twin else (None, None)
        by_lead = self.books(before[1] - (month - at)).get(before, NOTHING)
        return {
            "nights": now[0],
            "rent": now[1],
            "pickup_nights_7": now[0] - week[0],
            "pickup_rent_7": now[1] - week[1],
            "pickup_nights_30": now[0] - days_30[0],
            "pickup_rent_30": now[1] - days_30[1],
            "last_year_nights": by_date[0],
            "last_year_rent": by_date[1],
            "last_year_nights_by_lead": by_lead[0],
            "last_year_rent_by_lead": by_lead[1],
        }


def _same_date(at: date) -> date | None:
    """None on 29 February."""
    try:
        return at.replace(year=at.year - 1)
    except ValueError:
        return None


def _next_year(month: date) -> date:
    return month.replace(year=month.year + 1)
