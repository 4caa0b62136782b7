"""Writes a new direct reservation: on nights that are free, at the listing's price and in its currency."""

from random import Random
from typing import Any

from hostaway_pipeline.sandbox.templates import NEW_RESERVATION, RESERVATION, Payload
from hostaway_pipeline.sandbox.world import bookings, finance, market
from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.market import DIRECT, Home
from hostaway_pipeline.sandbox.world.nights import Nights, as_day

GUESTS = 2


def new_booking(
    nights: Nights, listing_ids: list[int], fields: Payload, *, account_id: int, reservation_id: int, now: str
) -> Booking:
    """`fields` go before what would be written; whoever gives dates answers for their being free."""
    rng = Random(reservation_id)  # noqa: S311
    unknown = next(iter(nights.homes), 0)
    listing_id = fields.get("listingMapId", rng.choice(listing_ids) if listing_ids else unknown)
    home = nights.home(listing_id)
    place = _place(rng, nights, home, now, fields)
    price = _price(home, place, fields)
    own = {
        **NEW_RESERVATION,
        "id": reservation_id,
        "listingMapId": listing_id,
        "channelId": DIRECT.id,
        "channelName": DIRECT.name,
        "reservationId": f"{account_id}-{DIRECT.id}-{reservation_id}",
        "hostawayReservationId": str(reservation_id),
        "confirmationCode": None,
        "guestName": "New Guest",
        "numberOfGuests": GUESTS,
        **place,
        **finance.totals(price),
        "currency": home.currency,
        "status": "new",
        "doorCode": f"DC-{reservation_id}",
        "customFieldValues": [],
        "reservationFees": [],
        "reservationUnit": [],
        **dict.fromkeys(("reservationDate", "insertedOn", "updatedOn", "latestActivityOn"), now),
        **fields,
    }
    if home.units > 1 and "reservationUnit" not in fields:
        own["reservationUnit"] = bookings.unit_rows(home, reservation_id, 1, GUESTS)
    return Booking(RESERVATION, own, price)


def _place(rng: Random, nights: Nights, home: Home, now: str, fields: Payload) -> Payload:
    """The dates that were given, else free ones at a usual distance."""
    first, last = as_day(fields.get("arrivalDate")), as_day(fields.get("departureDate"))
    today = as_day(now[:10]) or 0
    if first is None and last is None:
        length = market.stay_length(rng)
        return bookings.dates(nights.first_free(home.id, today + market.lead_days(rng), length), length)
    first = first if first is not None else (last or today) - 1
    last = last if last is not None else first + 1
    return bookings.dates(first, max(0, last - first))


def _price(home: Home, place: Payload, fields: Payload) -> Price | None:
    total: Any = fields.get("totalPrice", 0)
    if total is None:
        return None
    if "totalPrice" in fields:
        return Price(home.scale, base=round(float(total) * home.scale))
    arrival = as_day(place["arrivalDate"]) or 0
    length = min(place["nights"], market.LONGEST_STAY)
    return finance.price(home, DIRECT, arrival, length, units=1, guests=GUESTS, lead=7)
