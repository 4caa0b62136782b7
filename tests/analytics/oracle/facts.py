"""What the KPI tables share: the facts of an account, and how nights become occupancies and money."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tests.analytics.oracle.bookings import Booking, Night
from tests.analytics.oracle.source import Source
from tests.analytics.oracle.supply import Day
from tests.analytics.oracle.values import ratio


@dataclass(frozen=True)
class Facts:
    """`nights` are those on listed days only; nights anywhere else count nowhere."""

    source: Source
    bookings: list[Booking]
    nights: list[Night]
    days: dict[tuple[int, date], Day]

    @property
    def sold_nights(self) -> list[Night]:
        return [night for night in self.nights if night.booking.state == "sold"]

    @property
    def stays(self) -> list[Booking]:
        """Sold bookings of listings that were listed on the day of arrival."""
        return [
            booking
            for booking in self.bookings
            if booking.state == "sold" and booking.takes_nights and (booking.property_id, booking.arrival) in self.days
        ]

    @property
    def cancelled(self) -> list[Booking]:
        """Cancelled bookings with a booking day, whatever their listing."""
        return [booking for booking in self.booked if booking.state == "cancelled"]

    @property
    def booked(self) -> list[Booking]:
        return [
            booking
            for booking in self.bookings
            if booking.state in {"sold", "cancelled"} and booking.booked_on and not booking.is_dates_unspecified
        ]


def occupancies(days: Iterable[Day]) -> dict[str, Any]:
    """The columns about supply and occupancy; what needs the calendar is None unless it covers every day."""
    found = list(days)
    listed, sold, owner, hold = (
        sum(getattr(day, name) for day in found) for name in ("units", "sold", "owner", "hold")
    )
    has_calendar = bool(found) and all(day.blocked is not None for day in found)
    blocked = sum(day.blocked or 0 for day in found) if has_calendar else None
    available = None if blocked is None else listed - owner - blocked
    return {
        "listed_nights": listed,
        "available_nights": available,
        "sold_nights": sold,
        "owner_nights": owner,
        "hold_nights": hold,
        "blocked_nights": blocked,
        "occupancy": ratio(sold, listed),
        "occupancy_with_owner": ratio(sold + owner, listed),
        "adjusted_occupancy": ratio(sold, available),
        "supply_source": "calendar" if has_calendar else "assumed",
    }


def money(nights: Iterable[Night]) -> dict[str, Any]:
    """Rent and commission of sold nights, and how many unit-nights of them have a price."""
    found = list(nights)
    return {
        "rent": sum((night.rent or Decimal() for night in found), Decimal()),
        "commission": sum((night.commission or Decimal() for night in found), Decimal()),
        "priced_nights": sum(night.booking.units for night in found if night.is_priced),
    }
