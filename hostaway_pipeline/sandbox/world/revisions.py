"""Changes a reservation as hosts and guests do, and its price and cancellation with it; never double-books."""

from random import Random
from typing import Any

from hostaway_pipeline.sandbox.templates import STATUSES, Payload
from hostaway_pipeline.sandbox.world import finance, market
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.market import BY_NAME, DIRECT, ICAL, TAKING, major
from hostaway_pipeline.sandbox.world.nights import as_day, units_of

IDLE = tuple(status for status in STATUSES if status not in TAKING)
PRICELESS = ("cancelled", "ownerStay")
FOLLOWS_BASE = ("baseRate", "airbnbPayoutSum", "totalPriceFromChannel")


def rename(account: Account, reservation_id: int, rng: Random) -> None:
    account.update_reservation(reservation_id, guestName=f"Guest {rng.randrange(10_000)}")


def reprice(account: Account, reservation_id: int, rng: Random) -> None:
    """Change the base rate and the total by the same amount; without a base rate, change the name instead."""
    payload = account.reservations[reservation_id].payload()
    rates = [line["total"] for line in payload["financeField"] if is_rate(line)]
    if not rates or payload["totalPrice"] is None:
        return rename(account, reservation_id, rng)
    scale = account.nights.home(payload["listingMapId"]).scale
    difference = round(rates[0] * scale * rng.uniform(-0.3, 0.4))
    account.update_reservation(
        reservation_id,
        totalPrice=_plus(payload["totalPrice"], difference, scale),
        financeField=[
            line | dict.fromkeys(("value", "total"), _plus(line["total"], difference, scale))
            if line["name"] in FOLLOWS_BASE
            else line
            for line in payload["financeField"]
        ],
    )
    return None


def change_status(account: Account, reservation_id: int, rng: Random) -> None:
    """Set a random status; one that takes nights only if those are free."""
    booking = account.reservations[reservation_id]
    before, after = booking.own["status"], rng.choice(STATUSES)
    if after in TAKING and before not in TAKING and not account.nights.can_take(booking):
        after = rng.choice(IDLE)
    changes: Payload = {"status": after}
    if after != before:
        if after in PRICELESS or before in PRICELESS:
            changes |= _priced(account, booking, after, rng)
        if "cancelled" in (before, after):
            is_gone = after == "cancelled"
            changes["cancellationDate"] = account.clock.after() if is_gone else None
            changes["cancelledBy"] = "guest" if is_gone else None
    account.update_reservation(reservation_id, **changes)


def price_of(
    account: Account, booking: Booking, first: int | None, last: int | None, *, lead: int = 7, luck: float = 1.0
) -> Price | None:
    """Price a reservation on the nights in [first, last); None for iCal, and without nights."""
    payload = booking.payload(("financeField",))
    channel = BY_NAME.get(payload["channelName"], DIRECT)
    if channel is ICAL or first is None or last is None or first >= last:
        return None
    home, nights = account.nights.home(payload["listingMapId"]), min(last - first, market.LONGEST_STAY)
    guests, units = payload["numberOfGuests"] or 1, units_of(booking)
    return finance.price(home, channel, first, nights, units=units, guests=guests, lead=lead, luck=luck)


def _priced(account: Account, booking: Booking, after: str, rng: Random) -> Payload:
    """The amounts in the new status: null for an owner stay, mostly zero for a cancelled one."""
    first, last = as_day(booking.own["arrivalDate"]), as_day(booking.own["departureDate"])
    price = None if after == "ownerStay" else price_of(account, booking, first, last)
    if price is not None and after == "cancelled":
        price = finance.cancelled(price, 1 if rng.random() < 0.15 else 0)
    own = booking.own
    lines = finance.lines(price, own["id"], own["insertedOn"], units_of(booking)) if price else []
    return {**finance.totals(price), "financeField": lines}


def is_rate(line: dict[str, Any]) -> bool:
    return line["name"] == "baseRate" and not line["isDeleted"] and line["total"] > 0


def _plus(amount: float, difference: int, scale: int) -> float:
    return major(round(amount * scale) + difference, scale)
