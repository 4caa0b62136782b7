"""Writes a listing's calendar: one object per day, derived from its reservations and blocked nights."""

from collections import Counter, defaultdict
from datetime import date

from hostaway_pipeline.sandbox.templates import RESERVATION_LISTS, Payload
from hostaway_pipeline.sandbox.world import market
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.market import TAKING, TENTATIVE, Home
from hostaway_pipeline.sandbox.world.nights import units_of


def calendar(account: Account, listing_id: int, first: int, last: int, *, with_resources: bool) -> list[Payload]:
    """The days from `first` to `last`, both included; without resources their `reservations` are empty."""
    nights, days = account.nights, range(first, last + 1)
    home = nights.home(listing_id)
    taken, pending, stays = Counter[int](), Counter[int](), Counter[int]()
    shown: defaultdict[int, list[Payload]] = defaultdict(list)
    for booking, its_nights in nights.between(listing_id, days.start, days.stop):
        status = booking.own["status"]
        if booking.own["id"] not in account.reservations or status not in TAKING | TENTATIVE:
            continue
        payload = booking.payload(RESERVATION_LISTS)
        for day in its_nights:
            (taken if status in TAKING else pending)[day] += units_of(booking)
            stays[day] += status in TAKING
            shown[day].append(payload)
    blocked = nights.blocked(listing_id, days.start, days.stop)
    return [
        _day(
            home,
            day,
            taken=taken[day],
            pending=pending[day],
            blocked=blocked[day],
            stays=stays[day],
            reservations=shown[day] if with_resources else [],
        )
        for day in days
    ]


def _day(
    home: Home, day: int, *, taken: int, pending: int, blocked: int, stays: int, reservations: list[Payload]
) -> Payload:
    """A day. Waiting requests make units unavailable, but take no night; single-unit listings count no units."""
    left = max(0, home.units - taken - blocked)
    if left > pending:
        status = "available"
    elif left:
        status = "pending"
    else:
        status = "reserved" if taken else "blocked"
    is_several = home.units > 1
    return {
        "id": home.id * 10_000_000 + day,
        "date": date.fromordinal(day).isoformat(),
        "isAvailable": int(status == "available"),
        "isProcessed": 1,
        "status": status,
        "price": home.night_price(day),
        "minimumStay": 2 if market.weekend(day) else 1,
        "maximumStay": 1125,
        "closedOnArrival": None,
        "closedOnDeparture": None,
        "note": "Maintenance" if blocked else None,
        "countAvailableUnits": home.units if is_several else None,
        "availableUnitsToSell": max(0, left - pending) if is_several else None,
        "countPendingUnits": pending if is_several else None,
        "countBlockingReservations": stays if is_several else None,
        "countBlockedUnits": blocked if is_several else None,
        "desiredUnitsToSell": None,
        "reservations": reservations,
    }
