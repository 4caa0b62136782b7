"""Tells which nights of a listing are taken, blocked or free, while reservations come and change."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.homes import unit_id
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
        # Comparing dates as text spares parsing those of every reservation of the listing.
        begins, ends = date.fromordinal(first).isoformat(), date.fromordinal(last).isoformat()
        for booking in self._by_listing[listing_id].values():
            arrival, departure = booking.own["arrivalDate"], booking.own["departureDate"]
            if isinstance(arrival, str) and isinstance(departure, str) and arrival < ends and departure > begins:
                a, b = as_day(arrival), as_day(departure)
                if a is not None and b is not None:
                    yield booking, range(max(a, first), min(b, last))

    def blocked(self, listing_id: int, first: int, last: int) -> Counter[int]:
        """Blocked units by day in [first, last)."""
        blocks = self.blocks.get(listing_id, ())
        return Counter(day for block in blocks for day in range(max(block.first, first), min(block.last, last)))

    def can_take(self, booking: Booking) -> bool:
        """Whether the nights of a reservation are free for it."""
        first, last = as_day(booking.own["arrivalDate"]), as_day(booking.own["departureDate"])
        return first is not None and last is not None and self.can_move(booking, first, last)

    def can_move(self, booking: Booking, first: int, last: int) -> bool:
        """Whether the nights in [first, last) are free for a reservation, in its units, or its own already."""
        home = self.home(booking.own["listingMapId"])
        if first >= last or (home.closed_on is not None and last > home.closed_on):
            return False
        busy = self._busy(home, first, last, apart_from=booking)
        return not any(busy[unit] for unit in _unit_numbers(home, booking))

    def first_free(self, listing_id: int, earliest: int, nights: int) -> tuple[int, int]:
        """The first day from `earliest` on from which so many nights in a row are free in one unit, and that unit."""
        home = self.home(listing_id)
        busy = self._busy(home, earliest, date.max.toordinal())
        return min((_first_gap(busy[unit], earliest, nights), unit) for unit in range(home.units))

    def _busy(
        self, home: Home, first: int, last: int, *, apart_from: Booking | None = None
    ) -> defaultdict[int, set[int]]:
        """The days in [first, last) on which a unit cannot be booked, by the unit's number."""
        busy: defaultdict[int, set[int]] = defaultdict(set)
        for block in self.blocks.get(home.id, ()):
            busy[block.unit].update(range(max(block.first, first), min(block.last, last)))
        for booking, days in self.between(home.id, first, last):
            if booking.own["status"] in TAKING and booking is not apart_from:
                for unit in _unit_numbers(home, booking):
                    busy[unit].update(days)
        return busy


def _first_gap(busy: set[int], earliest: int, nights: int) -> int:
    day, free = earliest, 0
    while free < nights:
        free = 0 if day in busy else free + 1
        day += 1
    return day - nights


def _unit_numbers(home: Home, booking: Booking) -> list[int]:
    """The units that a reservation takes; the first one if it names none of the listing's."""
    ids = {unit_id(home, number): number for number in range(home.units)}
    named = [row["listingUnitId"] for row in booking.own.get("reservationUnit") or ()]
    return [ids[row] for row in named if row in ids] or [0]


def units_of(booking: Booking) -> int:
    """The units that a reservation takes: one unless `reservationUnit` names several."""
    units = booking.own.get("reservationUnit") or ()
    return max(1, len(units))


def as_day(text: Any) -> int | None:
    """Parse a Hostaway date into an ordinal; None if it is not a date."""
    try:
        return date.fromisoformat(text).toordinal()
    except (TypeError, ValueError):
        return None
