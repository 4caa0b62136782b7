"""Generates the listings and reservations of an account, the same for the same seed and spec.

Dates are relative to the configured day, never to the present, and ids are not in order of time. Conversations:
world/generate_conversations.py.
"""

from random import Random
from typing import Any

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.templates import CHANNELS, LISTING, RESERVATION, STATUSES, Payload
from hostaway_pipeline.sandbox.world.objects import Row
from hostaway_pipeline.sandbox.world.stamps import seconds_of, stamp
from hostaway_pipeline.sandbox.world.texts import CITIES, GUESTS, HOMES

DAY = 24 * 3600
SHAPES = 60
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


def listings(config: SandboxConfig, account: SandboxAccount) -> dict[int, Row]:
    """Listings by id, in the order of the list; every eighth is archived."""
    rng = account_rng(config, account, "listings")
    ids = [object_id("listings", index, config.id_offset) for index in range(account.listings)]
    rng.shuffle(ids)
    today = seconds_of(config.today)
    return {listing_id: Row(LISTING, listing(rng, listing_id, place, today)) for place, listing_id in enumerate(ids)}


def listing(rng: Random, listing_id: int, place: int, today: int) -> Payload:
    city, country, zone, currency, lat, lng = CITIES[place % len(CITIES)]
    name = f"{HOMES[place % len(HOMES)]} {place + 1}"
    inserted = today - rng.randrange(400, 1500) * DAY
    return {
        "id": listing_id,
        "name": name,
        "internalListingName": f"Property #{place + 1}",
        "externalListingName": name,
        "homeawayPropertyName": name,
        "bookingcomPropertyName": name,
        "address": f"Schulstraße {place + 1}, {city}",
        "publicAddress": city,
        "street": f"Schulstraße {place + 1}",
        "city": city,
        "country": country,
        "countryCode": country,
        "state": None,
        "zipcode": f"{27000 + place}",
        "lat": round(lat + rng.random() / 10, 5),
        "lng": round(lng + rng.random() / 10, 5),
        "price": round(40 + rng.random() * 400, 2),
        "currencyCode": currency,
        "cleaningFee": rng.choice((None, 0, 40.32, 75)),
        "personCapacity": rng.randint(1, 12),
        "bedroomsNumber": rng.randint(0, 5),
        "bedsNumber": rng.randint(1, 8),
        "bathroomsNumber": rng.choice((1, 1.5, 2)),
        "timeZoneName": zone,
        "specialStatus": "archived" if place % 8 == 5 else None,
        "wifiPassword": f"wifi-{listing_id}",
        "doorSecurityCode": f"door-{listing_id}",
        "airbnbListingUrl": f"https://www.airbnb.com/rooms/{listing_id}",
        "vrboListingUrl": f"https://www.vrbo.com/{listing_id}",
        "googleVrListingUrl": None,
        "insertedOn": stamp(inserted),
        "latestActivityOn": stamp(rng.randrange(inserted, today)),
        "listingAmenities": [{"id": listing_id * 10 + n, "amenityId": n} for n in range(rng.randint(2, 9))],
        "listingBedTypes": [{"id": listing_id * 10, "bedTypeId": 2, "quantity": rng.randint(1, 3)}],
        "listingImages": [listing_image(listing_id, n) for n in range(rng.randint(0, 4))],
        "customFieldValues": [{"customFieldId": 167, "value": "Custom field value 🛏️"}],
    }


def listing_image(listing_id: int, place: int) -> Payload:
    url = f"https://images.example.com/listing/{listing_id}-{place}"
    return {"id": listing_id * 10 + place, "caption": "hall", "url": url, "sortOrder": place}


def reservations(config: SandboxConfig, account: SandboxAccount, listing_ids: list[int]) -> dict[int, Row]:
    """Reservations by id; some refer to a listing that no list returns."""
    rng = account_rng(config, account, "reservations")
    shapes = [reservation_shape(rng, number) for number in range(SHAPES)]
    today = seconds_of(config.today)
    rows: dict[int, Row] = {}
    updated_on = ""
    for index in range(account.reservations):
        reservation_id = object_id("reservations", index, config.id_offset)
        listing_id = rng.choice(listing_ids) if listing_ids and index % 47 != 11 else 99_000 + index % 5
        own = reservation(rng, reservation_id, index, listing_id, today)
        # Bulk edits give many rows the same updatedOn, so that the order needs its second key.
        if index % 20 == 19 and own["insertedOn"] <= updated_on:
            own["updatedOn"] = updated_on
        updated_on = own["updatedOn"]
        rows[reservation_id] = Row(shapes[int(rng.random() * SHAPES)], own)
    return rows


def reservation(rng: Random, reservation_id: int, index: int, listing_id: int, today: int) -> Payload:
    """The keys that vary between reservations; the first 16 rows have all 16 statuses."""
    age = int(rng.random() * 700 * DAY)
    inserted, updated = stamp(today - age), stamp(today - int(rng.random() * age))
    arrival = today - age + int(rng.random() * 200 * DAY)
    nights = int(rng.random() * 15)
    status = STATUSES[index] if index < 16 else rng.choices(STATUSES, STATUS_WEIGHTS)[0]
    name = None if index * 61 % 100 < 61 else GUESTS[int(rng.random() * len(GUESTS))]
    text_id = f"{listing_id}-2018-{reservation_id}"
    own = {
        "id": reservation_id,
        "listingMapId": listing_id,
        "reservationId": text_id,
        "channelReservationId": text_id,
        "hostawayReservationId": reservation_id if index % 2 else str(reservation_id),
        "confirmationCode": f"HM{reservation_id:X}" if index % 3 else None,
        "guestName": name,
        "guestEmail": f"guest{reservation_id}@example.com" if index % 4 else None,
        "phone": f"+4930{reservation_id}" if index % 5 else None,
        "arrivalDate": stamp(arrival)[:10],
        "departureDate": stamp(arrival + nights * DAY)[:10],
        "nights": nights,
        "status": status,
        "reservationDate": inserted,
        "insertedOn": inserted,
        "updatedOn": updated,
        "latestActivityOn": updated if index % 3 else inserted,
        **money(rng, index),
        **secrets_of(reservation_id, index),
    }
    if status == "cancelled":
        own |= {"cancellationDate": updated, "cancelledBy": "guest" if index % 2 else "host"}
    return own


def money(rng: Random, index: int) -> Payload:
    """Amounts: null in a quarter of the rows, and sometimes with fractions of a cent."""
    if index % 4 == 3:
        return {"totalPrice": None, "taxAmount": None, "channelCommissionAmount": None, "cleaningFee": None}
    total = round(rng.random() * 3000, 5 if index % 10 == 0 else 2)
    commission = round(total * 0.15, 2) if index % 2 else None
    return {"totalPrice": total, "taxAmount": 0, "channelCommissionAmount": commission, "cleaningFee": 40.32}


def secrets_of(reservation_id: int, index: int) -> Payload:
    """Secrets, which must never be stored or logged; a search can find their values."""
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


STATUS_WEIGHTS = [50, 15, 10, 4, *[2] * 12]


def reservation_shape(rng: Random, number: int) -> Payload:
    """A template that reservations share: channel, guests, flags and the nested lists."""
    channel_id, channel = CHANNELS[number % len(CHANNELS)]
    flags: tuple[Any, ...] = (0, 1, True, False, None)
    guests = rng.randint(1, 6)
    return RESERVATION | {
        "channelId": channel_id,
        "channelName": channel,
        "guestCountry": rng.choice(("DE", "US", "IL", "Germany", None)),
        "guestCity": rng.choice((None, "Austin", "תל אביב")),
        "currency": rng.choice(("EUR", "USD", "ILS")),
        "numberOfGuests": guests,
        "adults": guests if number % 3 else None,
        "children": rng.choice((None, 0, 2)),
        "isPaid": flags[number % len(flags)],
        "isStarred": flags[number * 3 % len(flags)],
        "paymentStatus": rng.choice(("Paid", "Unpaid", "Partially paid", "Unknown", None)),
        "hostNote": rng.choice((None, "", "Late arrival 🌙", "مفتاح تحت السجادة")),
        "customFieldValues": [{"customFieldId": 167 + n, "value": f"Value {n}"} for n in range(number % 3)],
        "reservationFees": [reservation_fee(number, n) for n in range(number % 2)],
        "reservationUnit": [{"id": 5000 + number, "listingUnitId": 0, "numberOfGuests": guests}],
        "financeField": [finance_field(rng, number * 10 + n) for n in range(number % 4)],
    }


def reservation_fee(number: int, place: int) -> Payload:
    flags = {"isIncluded": 0, "isPerNight": 1, "isPerPerson": False, "isImported": 1}
    return {"id": number * 10 + place, "name": "Linen", "amount": 5.12345, "currency": "EUR", **flags}


def finance_field(rng: Random, field_id: int) -> Payload:
    value = round(rng.random() * 500, 2)
    return {
        "id": field_id,
        "units": 1,
        "listingFeeSettingId": None,
        "type": "fee",
        "name": "cleaningFee",
        "title": "Cleaning fee",
        "alias": None,
        "value": value,
        "isIncludedInTotalPrice": 1,
        "isOverriddenByUser": 0,
        "isMandatory": None,
        "isQuantitySelectable": 0,
        "isDeleted": 0,
        "total": value,
    }
