"""Generates the listings and reservations of an account, the same for the same seed and spec.

Dates are relative to the configured day, never to the present, and ids are not in order of time. Conversations:
world/generate_conversations.py.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.templates import RESERVATION, Payload
from hostaway_pipeline.sandbox.world import bookings, finance, homes, market
from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.market import AIRBNB, CHANNELS, ICAL, INQUIRIES, Home
from hostaway_pipeline.sandbox.world.objects import Row
from hostaway_pipeline.sandbox.world.stamps import stamp
from hostaway_pipeline.sandbox.world.stays import DAY, EPOCH, Block, Stay, plan
from hostaway_pipeline.sandbox.world.texts import GUESTS

SHAPES = 80
FIRST_IDS = {
    "listings": 120_000,
    "reservations": 41_000_000,
    "conversations": 15_000_000,
    "messages": 300_000_000,
}


def object_id(kind: str, index: int, offset: int = 0) -> int:
    """An id, the same in every account; every thirteenth needs more than 32 bits."""
    return FIRST_IDS[kind] + index * 7 + (2**33 if index % 13 == 5 else 0) + offset


def account_rng(config: SandboxConfig, account: SandboxAccount, purpose: str) -> Random:
    """A random stream per purpose, so that changing one generator leaves the others' output as it was."""
    spec = f"{account.account_id}:{account.listings}:{account.reservations}"
    return Random(f"{config.seed}:{spec}:{purpose}")  # noqa: S311


@dataclass(slots=True)
class Portfolio:
    """An account's listings and reservations by id; `homes` (unlisted ones too) and blocked nights by listing id."""

    listings: dict[int, Row]
    reservations: dict[int, Booking]
    homes: dict[int, Home]
    blocks: dict[int, list[Block]]


def portfolio(config: SandboxConfig, account: SandboxAccount) -> Portfolio:
    """Generate exactly as many listings and reservations as the account's spec says."""
    today = date.fromisoformat(config.today).toordinal()
    rng = account_rng(config, account, "listings")
    ids = [object_id("listings", index, config.id_offset) for index in range(account.listings)]
    rng.shuffle(ids)
    listed, unlisted = homes.homes(rng, account, ids, today), homes.unlisted(rng, account)
    of_unlisted = account.reservations
    if listed:
        of_unlisted = sum(1 for index in range(account.reservations) if _is_unlisted(index))
    rng = account_rng(config, account, "reservations")
    shown = plan(rng, listed, account.reservations - of_unlisted, today) if listed else None
    hidden = plan(rng, unlisted, of_unlisted, today)
    return Portfolio(
        homes.listings(rng, account, listed, shown.stays if shown else [], today),
        _reservations(rng, config, shown.stays if shown else [], hidden.stays, account.reservations),
        {home.id: home for home in (*listed, *unlisted)},
        (shown.blocks if shown else {}) | hidden.blocks,
    )


def _is_unlisted(index: int) -> bool:
    """Whether the reservation names a listing that no list returns."""
    return index % 47 == 11


def _reservations(
    rng: Random, config: SandboxConfig, shown: list[Stay], hidden: list[Stay], count: int
) -> dict[int, Booking]:
    """Reservations by id. The first is an ordinary stay where there is one: tests take it for any reservation."""
    shapes = _shapes(rng)
    now = (date.fromisoformat(config.today).toordinal() - EPOCH) * DAY
    first = next((place for place, stay in enumerate(shown) if _is_ordinary(stay)), None)
    if first is not None:
        shown[-1], shown[first] = shown[first], shown[-1]
    rows: dict[int, Booking] = {}
    updated_on = ""
    for index in range(count):
        stay = hidden.pop() if not shown or (hidden and _is_unlisted(index)) else shown.pop()
        reservation_id = object_id("reservations", index, config.id_offset)
        of_channel = shapes[stay.channel.name]
        shape = of_channel[int(rng.random() * len(of_channel))]
        row = _booking(rng, reservation_id, stay, shape, index=index, now=now)
        # Bulk edits give many rows the same updatedOn: the order needs its second key.
        if index % 20 == 19 and row.own["updatedOn"] <= updated_on:
            row.own["updatedOn"] = updated_on
        updated_on = row.own["updatedOn"]
        rows[reservation_id] = row
    return rows


def _is_ordinary(stay: Stay) -> bool:
    return stay.status == "new" and stay.channel is AIRBNB


def _booking(rng: Random, reservation_id: int, stay: Stay, shape: Payload, *, index: int, now: int) -> Booking:
    """The keys that differ between reservations."""
    status, home = stay.status, stay.home
    name = None if index * 61 % 100 < 61 else GUESTS[int(rng.random() * len(GUESTS))]
    text_id = f"{home.id}-{stay.channel.id}-{reservation_id}"
    price = _price(rng, stay, shape["numberOfGuests"])
    inserted, booked, updated = _times(rng, stay, now)
    own = {
        "id": reservation_id,
        "listingMapId": home.id,
        "reservationId": text_id,
        "channelReservationId": text_id,
        "hostawayReservationId": reservation_id if index % 2 else str(reservation_id),
        "confirmationCode": f"HM{reservation_id:X}" if index % 3 else None,
        "guestName": name,
        "guestEmail": f"guest{reservation_id}@example.com" if index % 4 else None,
        "phone": f"+4930{reservation_id}" if index % 5 else None,
        **bookings.dates(stay.arrival, stay.nights),
        "status": status,
        "currency": home.currency,
        "reservationDate": booked,
        "insertedOn": inserted,
        "updatedOn": updated,
        "latestActivityOn": updated if index % 3 else inserted,
        **_secrets(reservation_id, index),
    }
    if status == "cancelled":
        cancelled = rng.random() < 0.15
        price = price and finance.cancelled(price, rng.choice((0.5, 1.0)) if cancelled else 0)
        own |= {"cancellationDate": updated, "cancelledBy": "guest" if index % 8 else "host"}
    elif status in INQUIRIES and index % 5 == 0:
        price = None
        own |= {"isDatesUnspecified": 1, **bookings.dates(now // DAY + EPOCH - 1, 0)}
    if home.units > 1:
        guests = shape["numberOfGuests"]
        own["reservationUnit"] = bookings.unit_rows(home, reservation_id, stay.units, guests)
    own |= finance.totals(price, with_commission=index % 2 == 1)
    return Booking(shape, own, price)


def _times(rng: Random, stay: Stay, now: int) -> tuple[str, str | None, str]:
    """`insertedOn`, `reservationDate` (null for iCal) and `updatedOn`.

    Some bookings on Airbnb were enquiries before, for up to two days.
    """
    booked = stay.booked_at
    inserted = booked
    if stay.channel is AIRBNB and stay.status in market.SOLD and rng.random() < 0.12 and stay.home.opened_on is None:
        inserted -= 600 + int(rng.random() ** 2 * 2 * DAY)
    settled = (stay.arrival + stay.nights - EPOCH + 30) * DAY
    if stay.status == "cancelled":
        settled = max(booked + 60, (stay.arrival - EPOCH) * DAY + 12 * 3600)
    updated = booked + int(rng.random() * (min(now, settled) - booked))
    return stamp(inserted), None if stay.channel is ICAL else stamp(booked), stamp(updated)


def _price(rng: Random, stay: Stay, guests: int) -> Price | None:
    if stay.channel is ICAL or stay.status == "ownerStay":
        return None
    lead = stay.arrival - EPOCH - stay.booked_at // DAY
    luck = 0.92 + rng.random() * 0.16
    return finance.price(
        stay.home, stay.channel, stay.arrival, stay.nights, units=len(stay.units), guests=guests, lead=lead, luck=luck
    )


def _secrets(reservation_id: int, index: int) -> Payload:
    """Values that must never be stored or logged, recognisable in a search."""
    if index % 6 == 0:
        return {
            "doorCode": None,
            "doorCodeInstruction": None,
            "guestAuthHash": None,
            "ccNumber": None,
            "cvc": None,
        }
    return {
        "doorCode": f"DC-{reservation_id}",
        "doorCodeInstruction": f"DC-instruction-{reservation_id}",
        "guestAuthHash": f"gah-{reservation_id}",
        "ccNumber": f"411111111111{reservation_id % 10_000:04d}",
        "ccName": f"CARDHOLDER {reservation_id}",
        "cvc": f"cvc-{reservation_id % 1000:03d}",
    }


def _shapes(rng: Random) -> dict[str, list[Payload]]:
    """Templates that reservations share, by channel: number of guests, flags and nested lists."""
    shapes = defaultdict(list)
    for number in range(SHAPES):
        channel = CHANNELS[number % len(CHANNELS)]
        shape = _shape(rng, number)
        shapes[channel.name].append(shape | {"channelId": channel.id, "channelName": channel.name})
    return shapes


def _shape(rng: Random, number: int) -> Payload:
    # Channels take turns, so flags must change from turn to turn.
    turn = number // len(CHANNELS)
    flags: tuple[Any, ...] = (0, 1, True, False, None)
    guests = rng.randint(1, 6)
    return RESERVATION | {
        "guestCountry": rng.choice(("DE", "US", "IL", "Germany", None)),
        "guestCity": rng.choice((None, "Austin", "תל אביב")),
        "numberOfGuests": guests,
        "adults": guests if turn % 3 else None,
        "children": rng.choice((None, 0, 2)),
        "isPaid": flags[turn % len(flags)],
        "isStarred": flags[number * 3 % len(flags)],
        "paymentStatus": rng.choice(("Paid", "Unpaid", "Partially paid", "Unknown", None)),
        "hostNote": rng.choice((None, "", "Late arrival 🌙", "مفتاح تحت السجادة")),
        "customFieldValues": [{"customFieldId": 167 + n, "value": f"Value {n}"} for n in range(turn % 3)],
        "reservationFees": [_reservation_fee(number, n) for n in range(turn % 2)],
        "reservationUnit": [{"id": 5000 + number, "listingUnitId": 0, "numberOfGuests": guests}],
        "financeField": [],
    }


def _reservation_fee(number: int, place: int) -> Payload:
    flags = {"isIncluded": 0, "isPerNight": 1, "isPerPerson": False, "isImported": 1}
    return {"id": number * 10 + place, "name": "Linen", "amount": 5.12345, "currency": "EUR", **flags}
