"""Reservations as rows: the keys that follow from a stay's place in time and from its price."""

from dataclasses import dataclass
from datetime import date

from hostaway_pipeline.sandbox.templates import Payload
from hostaway_pipeline.sandbox.world import finance
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.homes import unit_id
from hostaway_pipeline.sandbox.world.market import Home
from hostaway_pipeline.sandbox.world.objects import Row


@dataclass(slots=True)
class Booking(Row):
    """A reservation. Its finance lines are written when they are read: 200,000 of them need not be kept."""

    price: Price | None = None

    def payload(self, without: tuple[str, ...] = ()) -> Payload:
        whole = {**self.template, **self.own}
        if "financeField" not in self.own and "financeField" not in without:
            whole["financeField"] = self._lines(len(whole["reservationUnit"]))
        for key in without:
            whole.pop(key, None)
        return whole

    def _lines(self, units: int) -> list[Payload]:
        if self.price is None:
            return []
        return finance.lines(self.price, self.own["id"], self.own["insertedOn"], max(1, units))


def dates(arrival: int, nights: int) -> Payload:
    """A stay's place in time, as Hostaway writes it."""
    return {
        "arrivalDate": iso(arrival),
        "departureDate": iso(arrival + nights),
        "nights": nights,
    }


def iso(day: int) -> str:
    return date.fromordinal(day).isoformat()


def unit_rows(home: Home, reservation_id: int, units: int, guests: int) -> list[Payload]:
    """`reservationUnit` of a stay in a listing with several units: as many as it takes."""
    return [
        {
            "id": reservation_id * 10 + number,
            "listingUnitId": unit_id(home, number),
            "numberOfGuests": max(1, guests // units),
        }
        for number in range(units)
    ]
