"""KPIs by channel, month and currency: nights by night, stays by arrival, cancellations by booking day."""

from collections import Counter, defaultdict
from datetime import date
from typing import Any

from tests.analytics.oracle.bookings import Night
from tests.analytics.oracle.facts import Facts, money
from tests.analytics.oracle.values import month_of, ratio

Table = dict[tuple[Any, ...], dict[str, Any]]
Key = tuple[str, date, str]


def channel_month(facts: Facts) -> Table:
    nights: defaultdict[Key, list[Night]] = defaultdict(list)
    for night in facts.sold_nights:
        nights[night.booking.channel, month_of(night.on), night.booking.currency].append(night)
    stays = Counter((stay.channel, month_of(stay.arrival), stay.currency) for stay in facts.stays if stay.arrival)
    cancelled = Counter(
        (booking.channel, month_of(booking.booked_on), booking.currency)
        for booking in facts.cancelled
        if booking.booked_on
    )
    return {
        (facts.source.account_id, *key): _row(nights.get(key, []), stays[key], cancelled[key])
        for key in {*nights, *stays, *cancelled}
    }


def _row(nights: list[Night], stays: int, cancellations: int) -> dict[str, Any]:
    found = money(nights)
    return {
        **found,
        "sold_nights": sum(night.booking.units for night in nights),
        "net": found["rent"] - found["commission"],
        "adr": ratio(found["rent"], found["priced_nights"]),
        "stays": stays,
        "cancellations": cancellations,
    }
