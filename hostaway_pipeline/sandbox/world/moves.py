"""Moves coming and present stays to other nights that are free, and prices them there."""

from datetime import date
from random import Random

from hostaway_pipeline.sandbox.templates import Payload
from hostaway_pipeline.sandbox.world import bookings, finance, market
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.market import TAKING
from hostaway_pipeline.sandbox.world.nights import as_day
from hostaway_pipeline.sandbox.world.revisions import is_rate, price_of

ATTEMPTS = 12
"""How often other nights are drawn before a stay keeps its own."""
FARTHEST = 14
"""Days by which an arrival moves at most."""
LONGER = (-2, -1, 0, 0, 0, 1, 2, 3)
"""Nights by which a stay becomes longer."""


def move(account: Account, listing_id: int, rng: Random) -> bool:
    """Move a stay of the listing that ends after today, under the account's lock; returns False if none can move."""
    today = as_day(account.clock.after()[:10]) or 0
    coming = [
        booking
        for booking, _ in account.nights.between(listing_id, today, date.max.toordinal())
        if booking.own["status"] in TAKING and booking.own["id"] in account.reservations
    ]
    if not coming:
        return False
    booking = rng.choice(coming)
    first, last = as_day(booking.own["arrivalDate"]) or 0, as_day(booking.own["departureDate"]) or 0
    for _ in range(ATTEMPTS):
        arrival, departure = _other_nights(rng, first, last, today)
        if (arrival, departure) != (first, last) and account.nights.can_move(booking, arrival, departure):
            price = _price(account, booking, (first, last), (arrival, departure))
            changes = _changes(booking, price, arrival, departure)
            if price is None:
                changes["financeField"] = []
            account.touch_reservation(booking.own["id"], price=price, **changes)
            return True
    return False


def _other_nights(rng: Random, first: int, last: int, today: int) -> tuple[int, int]:
    """Draw an arrival and a departure. Guests who have arrived can only leave earlier, from tomorrow on, or later."""
    nights = min(max(1, last - first + rng.choice(LONGER)), market.LONGEST_STAY)
    if first <= today:
        return first, max(first + nights, today + 1)
    arrival = max(today, first + rng.randint(-FARTHEST, FARTHEST))
    return arrival, arrival + nights


def _price(account: Account, booking: Booking, before: tuple[int, int], after: tuple[int, int]) -> Price | None:
    """The price on other nights, with the booking's own factor on the usual base rate; none if it has none."""
    payload = booking.payload()
    usual = price_of(account, booking, *before)
    if payload["totalPrice"] is None or usual is None:
        return None
    booked_on = as_day((payload["reservationDate"] or payload["insertedOn"])[:10]) or 0
    luck = _base(booking, usual) / usual.base if usual.base else 1.0
    return price_of(account, booking, *after, lead=after[0] - booked_on, luck=luck)


def _base(booking: Booking, usual: Price) -> int:
    """The base rate in minor units: as drawn, or as the lines state it that replaced the drawn price."""
    if "financeField" not in booking.own and booking.price:
        return booking.price.base
    rates = [line["total"] for line in booking.own.get("financeField", ()) if is_rate(line)]
    return round(rates[0] * usual.scale) if rates else usual.base


def _changes(booking: Booking, price: Price | None, arrival: int, departure: int) -> Payload:
    own = booking.own
    with_commission = booking.payload(("financeField",))["channelCommissionAmount"] is not None
    return {
        **bookings.dates(arrival, departure - arrival),
        "previousArrivalDate": own["arrivalDate"],
        "previousDepartureDate": own["departureDate"],
        "status": "modified" if own["status"] == "new" else own["status"],
        **finance.totals(price, with_commission=with_commission),
    }
