"""Holds reservations as rows, and writes the keys that follow from their dates, units and price."""

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
    """A reservation. Its finance lines are written when they are read, so that 200,000 reservations fit in memory."""

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
    """The dates and nights of a stay as Hostaway writes them."""
    return {
        "arrivalDate": iso(arrival),
        "departureDate": iso(arrival + nights),
        "nights": nights,
    }


def iso(day: int) -> str:
    return date.fromordinal(day).isoformat()


def unit_rows(home: Home, reservation_id: int, units: tuple[int, ...], guests: int) -> list[Payload]:
    """`reservationUnit` of a stay in a multi-unit listing: one row per unit that it takes."""
    return [
        {
            "id": reservation_id * 10 + unit,
            "listingUnitId": unit_id(home, unit),
            "numberOfGuests": max(1, guests // len(units)),
        }
        for unit in units
    ]
