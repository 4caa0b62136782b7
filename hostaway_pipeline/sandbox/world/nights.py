"""Knows which nights of which listing are taken, blocked or free, while reservations come and change."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.market import TAKING, Home
from hostaway_pipeline.sandbox.world.stays import Block


class Nights:
    """Deleted reservations keep their nights, since they may be restored. Days are ordinals."""

    def __init__(self, homes: dict[int, Home], blocks: dict[int, list[Block]], bookings: Iterable[Booking]) -> None:
        self.homes = homes
        self.blocks = blocks
        self._by_listing: defaultdict[Any, dict[int, Booking]] = defaultdict(dict)
        for booking in bookings:
            self.add(booking)

    def add(self, booking: Booking) -> None:
        self._by_listing[booking.own["listingMapId"]][booking.own["id"]] = booking

    def remove(self, booking: Booking) -> None:
        self._by_listing[booking.own["listingMapId"]].pop(booking.own["id"], None)

    def home(self, listing_id: int) -> Home:
        """The market's view of a listing; an ordinary one for a listing that nobody knows."""
        if listing_id in self.homes:
            return self.homes[listing_id]
        currency = next((home.currency for home in self.homes.values()), "EUR")
        return Home(listing_id, currency, price=100, cleaning=50, vat=7)

    def between(self, listing_id: int, first: int, last: int) -> Iterator[tuple[Booking, range]]:
        """Reservations of a listing, of any status, with those of their nights that lie in [first, last)."""
        # Days are compared as text first: parsing the dates of every reservation takes longer than the rest.
        begins, ends = date.fromordinal(first).isoformat(), date.fromordinal(last).isoformat()
        for booking in self._by_listing[listing_id].values():
            arrival, departure = booking.own["arrivalDate"], booking.own["departureDate"]
            if isinstance(arrival, str) and isinstance(departure, str) and arrival < ends and departure > begins:
                a, b = as_day(arrival), as_day(departure)
                if a is not None and b is not None:
                    yield booking, range(max(a, first), min(b, last))

    def taken(self, listing_id: int, first: int, last: int, *, without: Booking | None = None) -> Counter[int]:
        """Units that stays, holds and blocks take, by day in [first, last)."""
        taken = self.blocked(listing_id, first, last)
        for booking, days in self.between(listing_id, first, last):
            if booking is not without and booking.own["status"] in TAKING:
                for day in days:
                    taken[day] += units_of(booking)
        return taken

    def blocked(self, listing_id: int, first: int, last: int) -> Counter[int]:
        """Blocked units by day in [first, last)."""
        blocks = self.blocks.get(listing_id, ())
        return Counter(day for block in blocks for day in range(max(block.first, first), min(block.last, last)))

    def can_take(self, booking: Booking) -> bool:
        """Whether the nights of a reservation that takes none are free for it."""
        home = self.home(booking.own["listingMapId"])
        first, last = as_day(booking.own["arrivalDate"]), as_day(booking.own["departureDate"])
        if first is None or last is None or first >= last or (home.closed_on is not None and last > home.closed_on):
            return False
        most = max(self.taken(home.id, first, last, without=booking).values(), default=0)
        return most + units_of(booking) <= home.units

    def first_free(self, listing_id: int, earliest: int, nights: int) -> int:
        """The first day from `earliest` on from which so many nights in a row have a free unit."""
        home = self.home(listing_id)
        taken = self.taken(listing_id, earliest, date.max.toordinal())
        day, free = earliest, 0
        while free < nights:
            free = free + 1 if taken[day] < home.units else 0
            day += 1
        return day - nights


def units_of(booking: Booking) -> int:
    """The units that a reservation takes: one unless `reservationUnit` names several."""
    units = booking.own.get("reservationUnit") or ()
    return max(1, len(units))


def as_day(text: Any) -> int | None:
    """The ordinal of a Hostaway date; None for what is none."""
    try:
        return date.fromisoformat(text).toordinal()
    except (TypeError, ValueError):
        return None
