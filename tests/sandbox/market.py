"""Reads nights, money and occupancy off a generated account, independently of the generator."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.world import World

Payload = dict[str, Any]

SOLD = {"new", "modified"}
TAKING = SOLD | {"ownerStay", "awaitingPayment", "awaitingGuestVerification"}
INQUIRIES = {"inquiry", "inquiryPreapproved", "inquiryDenied", "inquiryTimedout", "inquiryNotPossible"}
MINOR_UNITS = {"JPY": 0, "KWD": 3}
ICAL = 2015
TODAY = date.fromisoformat(SandboxConfig().today)


def unit_nights(account: Account) -> Counter[tuple[int, date]]:
    """Stays by unit and night, of the listings that have several units."""
    taken: Counter[tuple[int, date]] = Counter()
    for reservation in reservations(account):
        for unit in reservation["reservationUnit"]:
            if unit["listingUnitId"] and reservation["status"] in TAKING:
                taken.update((unit["listingUnitId"], night) for night in nights_of(reservation))
    return taken


def account_of(spec: str, seed: int = 1, **options: Any) -> Account:
    sandbox_account = SandboxAccount.parse(spec)
    return World(SandboxConfig(accounts=(sandbox_account,), seed=seed, **options)).account(sandbox_account.account_id)


def reservations(account: Account) -> list[Payload]:
    return list(account.truth("reservations"))


def day(text: str) -> date:
    return date.fromisoformat(text[:10])


def nights_of(reservation: Payload) -> Iterator[date]:
    first = day(reservation["arrivalDate"])
    for night in range((day(reservation["departureDate"]) - first).days):
        yield first + timedelta(night)


def nights_before(moved: Payload) -> int:
    """The nights of a moved reservation before it moved."""
    return (day(moved["previousDepartureDate"]) - day(moved["previousArrivalDate"])).days


def units_of(reservation: Payload) -> int:
    return max(1, len(reservation["reservationUnit"]))


def capacity(account: Account) -> defaultdict[int, int]:
    """Units per listing; a listing that the list does not return has one."""
    units: defaultdict[int, int] = defaultdict(lambda: 1)
    for listing in account.truth("listings"):
        units[listing["id"]] = max(1, len(listing["listingUnits"]))
    return units


def taken_nights(account: Account, statuses: set[str] = TAKING) -> Counter[tuple[int, date]]:
    """Units that are taken, by listing and night."""
    taken: Counter[tuple[int, date]] = Counter()
    for reservation in reservations(account):
        if reservation["status"] in statuses:
            for night in nights_of(reservation):
                taken[reservation["listingMapId"], night] += units_of(reservation)
    return taken


def overbooked(account: Account) -> list[tuple[int, date]]:
    """Nights of which more units are taken or blocked than the listing has."""
    units, taken = capacity(account), taken_nights(account)
    for listing_id, blocks in account.nights.blocks.items():
        for block in blocks:
            taken.update((listing_id, date.fromordinal(night)) for night in range(block.first, block.last))
    return [place for place, count in taken.items() if count > units[place[0]]]


def listed_days(listing: Payload, first: date, last: date) -> Iterator[date]:
    """The days in [first, last) on which the listing could be booked."""
    ends = day(listing["latestActivityOn"]) if listing["specialStatus"] == "archived" else last
    at = max(first, day(listing["insertedOn"]))
    while at < min(last, ends):
        yield at
        at += timedelta(1)


def occupancy(account: Account, first: date, last: date) -> float:
    """Sold unit-nights over listed ones."""
    sold, units = taken_nights(account, SOLD), capacity(account)
    days = [(row["id"], at) for row in account.truth("listings") for at in listed_days(row, first, last)]
    return sum(sold[place] for place in days) / sum(units[listing_id] for listing_id, _ in days)


def minor(reservation: Payload, amount: float) -> Decimal:
    """The amount in the currency's smallest unit."""
    return Decimal(str(amount)) * 10 ** MINOR_UNITS.get(reservation["currency"], 2)


def lines(reservation: Payload, *names: str) -> list[Payload]:
    kept = [line for line in reservation["financeField"] if not line["isDeleted"]]
    return [line for line in kept if line["name"] in names] if names else kept


def included(reservation: Payload) -> Decimal:
    """The sum of the included lines, in the currency's smallest unit."""
    return sum(
        (minor(reservation, line["total"]) for line in lines(reservation) if line["isIncludedInTotalPrice"]), Decimal()
    )


def wrong_totals(account: Account) -> list[int]:
    """Reservations whose included lines do not sum to their total."""
    return [
        reservation["id"]
        for reservation in reservations(account)
        if included(reservation) != minor(reservation, reservation["totalPrice"] or 0)
    ]


def is_plain(reservation: Payload) -> bool:
    """Sold, with a price that Hostaway knows line by line."""
    return reservation["status"] in SOLD and bool(lines(reservation, "baseRate"))
