"""Every KPI table of an account, computed from the sandbox's own objects in exact arithmetic.

Written from the definitions, without a look at the SQL: where the two differ, one of them is wrong.
A table is a dict from key to columns. Money is a Decimal, a ratio or a mean a Fraction, a month its first day.
"""

from typing import Any

from tests.analytics.oracle.account_month import account_month, account_month_money
from tests.analytics.oracle.bookings import bookings
from tests.analytics.oracle.channel_month import channel_month
from tests.analytics.oracle.facts import Facts
from tests.analytics.oracle.listing_month import listing_month, listing_month_money
from tests.analytics.oracle.responses import runs
from tests.analytics.oracle.source import Source
from tests.analytics.oracle.supply import listed_days

Table = dict[tuple[Any, ...], dict[str, Any]]

KEYS = {
    "kpi_listing_month": ("account_id", "property_id", "month"),
    "kpi_listing_month_money": ("account_id", "property_id", "month", "currency"),
    "kpi_account_month": ("account_id", "month"),
    "kpi_account_month_money": ("account_id", "month", "currency"),
    "kpi_channel_month": ("account_id", "channel", "month", "currency"),
}


def kpis(source: Source) -> dict[str, Table]:
    """The five tables by name."""
    made = bookings(source)
    nights = [night for booking in made for night in booking.each_night()]
    days = listed_days(source, made, nights)
    facts = Facts(source, made, [night for night in nights if (night.booking.property_id, night.on) in days], days)
    listing_money = listing_month_money(facts)
    return {
        "kpi_listing_month": listing_month(facts),
        "kpi_listing_month_money": listing_money,
        "kpi_account_month": account_month(facts, runs(source)),
        "kpi_account_month_money": account_month_money(facts, listing_money),
        "kpi_channel_month": channel_month(facts),
    }
