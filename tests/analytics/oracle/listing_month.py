"""KPIs by listing and month."""

from collections import defaultdict
from datetime import date
from typing import Any

from tests.analytics.oracle.bookings import Night
from tests.analytics.oracle.facts import Facts, money, occupancies
from tests.analytics.oracle.supply import Day
from tests.analytics.oracle.values import month_of, ratio

Table = dict[tuple[Any, ...], dict[str, Any]]


def listing_month(facts: Facts) -> Table:
    months: defaultdict[tuple[int, date], list[Day]] = defaultdict(list)
    for (listing_id, on), day in facts.days.items():
        months[listing_id, month_of(on)].append(day)
    return {(facts.source.account_id, *key): occupancies(days) for key, days in months.items()}


def listing_month_money(facts: Facts) -> Table:
    """A row per currency of a sold night, and one in the listing's own currency for every listed month."""
    own = {listing["id"]: listing.get("currencyCode") for listing in facts.source.listings}
    nights: defaultdict[tuple[int, date, str], list[Night]] = defaultdict(list)
    for night in facts.sold_nights:
        nights[night.booking.property_id or 0, month_of(night.on), night.booking.currency].append(night)
    listed: defaultdict[tuple[int, date], int] = defaultdict(int)
    for (listing_id, on), day in facts.days.items():
        listed[listing_id, month_of(on)] += day.units
    of_listings = {(listing_id, month, own[listing_id]) for listing_id, month in listed if own[listing_id]}
    return {
        (facts.source.account_id, listing_id, month, currency): _row(
            nights.get((listing_id, month, currency), []),
            listed[listing_id, month] if currency == own[listing_id] else None,
        )
        for listing_id, month, currency in of_listings | set(nights)
    }


def _row(nights: list[Night], listed: int | None) -> dict[str, Any]:
    found = money(nights)
    return {
        **found,
        "listed_nights": listed,
        "adr": ratio(found["rent"], found["priced_nights"]),
        "revpar": ratio(found["rent"], listed),
    }
