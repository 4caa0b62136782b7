"""Makes a new direct booking on free nights, at the listing's price and in its currency."""

from random import Random
from typing import Any

from hostaway_pipeline.sandbox.templates import NEW_RESERVATION, RESERVATION, Payload
from hostaway_pipeline.sandbox.world import bookings, finance, market
from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.homes import UNLISTED
from hostaway_pipeline.sandbox.world.market import DIRECT, Home
from hostaway_pipeline.sandbox.world.nights import Nights, as_day

GUESTS = 2


def new_booking(
    nights: Nights, listing_ids: list[int], fields: Payload, *, account_id: int, reservation_id: int, now: str
) -> Booking:
    """Make a booking; `fields` override its keys. Given dates are taken as they are, free or not."""
    rng = Random(reservation_id)  # noqa: S311
    listing_id = fields.get("listingMapId", rng.choice(listing_ids) if listing_ids else UNLISTED)
    home = nights.home(listing_id)
    place, unit = _place(rng, nights, home, now, fields)
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
        own["reservationUnit"] = bookings.unit_rows(home, reservation_id, (unit,), GUESTS)
    return Booking(RESERVATION, own, price)


def _place(rng: Random, nights: Nights, home: Home, now: str, fields: Payload) -> tuple[Payload, int]:
    """The given dates, else free ones after a drawn lead time; and the number of the unit."""
    first, last = as_day(fields.get("arrivalDate")), as_day(fields.get("departureDate"))
    today = as_day(now[:10]) or 0
    if first is None and last is None:
        length = market.stay_length(rng)
        arrival, unit = nights.first_free(home.id, today + market.lead_days(rng), length)
        return bookings.dates(arrival, length), unit
    first = first if first is not None else (last or today) - 1
    last = last if last is not None else first + 1
    return bookings.dates(first, max(0, last - first)), 0


def _price(home: Home, place: Payload, fields: Payload) -> Price | None:
    total: Any = fields.get("totalPrice", 0)
    if total is None:
        return None
    if "totalPrice" in fields:
        return Price(home.scale, base=round(float(total) * home.scale))
    arrival = as_day(place["arrivalDate"]) or 0
    length = min(place["nights"], market.LONGEST_STAY)
    return finance.price(home, DIRECT, arrival, length, units=1, guests=GUESTS, lead=7)
