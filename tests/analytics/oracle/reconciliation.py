"""Figures as Hostaway's own reports count them, from the objects of an account."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from tests.analytics.oracle.bookings import Booking, bookings
from tests.analytics.oracle.source import Source
from tests.analytics.oracle.values import month_of

Total = tuple[str, date, str]
"""A report, its month, and what it counts."""
NIGHTS = {
    "occupancy_report_nights": {"sold"},
    "occupancy_report_owner_nights": {"owner"},
    "analytics_nights": {"sold", "owner"},
}


def reports(source: Source) -> dict[Total, Decimal]:
    """The reports that need no supply, without figures of 0, for twelve past months, the present and the next."""
    found: defaultdict[Total, Decimal] = defaultdict(Decimal)
    made = [booking for booking in bookings(source) if booking.property_id]
    for report, states in NIGHTS.items():
        dates = {
            (booking.property_id, night.on)
            for booking in made
            if booking.state in states
            for night in booking.each_night()
        }
        for _, on in dates:
            found[report, month_of(on), "nights"] += 1
    for booking in bookings(source):
        for total, amount in _of_booking(booking):
            found[total] += amount
    first, last = _months(source.today)
    return {total: amount for total, amount in found.items() if amount and first <= total[1] <= last}


def _of_booking(booking: Booking) -> Iterator[tuple[Total, Decimal]]:
    if booking.arrival is None or booking.is_dates_unspecified:
        return
    check_in = month_of(booking.arrival)
    if booking.state == "cancelled":
        yield ("cancellations_by_check_in", check_in, "bookings"), Decimal(1)
    if booking.state != "sold" or not booking.takes_nights or booking.channel == "ical" or not booking.property_id:
        return
    rent = sum((night.rent or Decimal() for night in booking.each_night()), Decimal())
    yield ("revenue_by_check_in", check_in, booking.currency), rent
    if booking.departure:
        yield ("revenue_by_check_out", month_of(booking.departure), booking.currency), rent
    yield ("total_by_check_in", check_in, booking.currency), booking.total_price or Decimal()


def _months(today: date) -> tuple[date, date]:
    first = month_of(today)
    return first.replace(year=first.year - 1), month_of(first + timedelta(31))
