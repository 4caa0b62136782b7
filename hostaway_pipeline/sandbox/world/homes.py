"""Generates the listings of an account: their traits on the market and their objects."""

from random import Random

from hostaway_pipeline.sandbox.config import SandboxAccount
from hostaway_pipeline.sandbox.templates import LISTING, Payload
from hostaway_pipeline.sandbox.world.market import Home, major
from hostaway_pipeline.sandbox.world.objects import Row
from hostaway_pipeline.sandbox.world.stamps import stamp
from hostaway_pipeline.sandbox.world.stays import DAY, EPOCH, Stay
from hostaway_pipeline.sandbox.world.texts import HOMES, Place, places

LARGER = 6
"""Accounts with at least this many listings have two foreign currencies, multi-unit listings and a new listing."""
YEN, NEW, UNITS, DINAR, ARCHIVED = 2, 1, 3, 4, 5
"""Places in the list; every eighth listing is archived like ARCHIVED, every tenth has units like UNITS."""
PRICES = {"EUR": 1.0, "USD": 1.1, "JPY": 160.0, "KWD": 0.33}
"""Rough value of a euro in each currency."""
UNLISTED = 99_000
"""First id of the listings that reservations name but no list returns."""


def homes(rng: Random, account: SandboxAccount, ids: list[int], today: int) -> list[Home]:
    """One home per id, in the order of the list."""
    return [_home(rng, listing_id, place, account, today) for place, listing_id in enumerate(ids)]


def unlisted(rng: Random, account: SandboxAccount) -> list[Home]:
    """Homes whose listings no list returns: at least five."""
    count = max(5, account.listings // 20)
    currency = _where(account, 0).currency
    return [_priced(rng, UNLISTED + number, currency) for number in range(count)]


def listings(rng: Random, account: SandboxAccount, of: list[Home], stays: list[Stay], today: int) -> dict[int, Row]:
    """Listings by id, each inserted before the first of its stays was booked."""
    begun = {home.id: (today - EPOCH) * DAY for home in of}
    for stay in stays:
        if stay.booked_at < begun.get(stay.home.id, 0):
            begun[stay.home.id] = stay.booked_at
    return {
        home.id: Row(LISTING, _listing(rng, home, place, _where(account, place), begun=begun[home.id], today=today))
        for place, home in enumerate(of)
    }


def _where(account: SandboxAccount, place: int) -> Place:
    """The listing's location, and with it its currency: one per account, except two listings of a larger one."""
    foreign = {YEN: "JPY", DINAR: "KWD"} if account.listings >= LARGER else {}
    currency = foreign.get(place, "USD" if account.account_id % 3 == 0 else "EUR")
    found = places(currency)
    return found[place % len(found)]


def _home(rng: Random, listing_id: int, place: int, account: SandboxAccount, today: int) -> Home:
    home = _priced(rng, listing_id, _where(account, place).currency)
    if account.listings >= LARGER:
        home.units = rng.randint(2, 4) if place % 10 == UNITS else 1
        if place == NEW:
            home.opened_on = today - rng.randint(130, 200)
    if place % 8 == ARCHIVED:
        home.closed_on = today - rng.randint(40, 150)
    return home


def _priced(rng: Random, listing_id: int, currency: str) -> Home:
    price = (60 + rng.random() ** 2 * 260) * PRICES[currency]
    cleaning = 0.0 if rng.random() < 0.15 else round(price * rng.uniform(0.5, 0.9))
    vat = rng.choice((0, 7, 10, 13))
    return Home(listing_id, currency, price, cleaning, vat, guests_included=rng.randint(2, 4))


def _listing(rng: Random, home: Home, place: int, where: Place, *, begun: int, today: int) -> Payload:
    return {
        "id": home.id,
        **_address(rng, place, where),
        "price": major(round(home.price * home.scale), home.scale),
        "currencyCode": home.currency,
        "cleaningFee": home.cleaning or None,
        "guestsIncluded": home.guests_included,
        "personCapacity": rng.randint(6, 12),
        "bedroomsNumber": rng.randint(0, 5),
        "bedsNumber": rng.randint(1, 8),
        "bathroomsNumber": rng.choice((1, 1.5, 2)),
        "specialStatus": "archived" if home.closed_on else None,
        "wifiPassword": f"wifi-{home.id}",
        "doorSecurityCode": f"door-{home.id}",
        "airbnbListingUrl": f"https://www.airbnb.com/rooms/{home.id}",
        "vrboListingUrl": f"https://www.vrbo.com/{home.id}",
        "googleVrListingUrl": None,
        **_times(rng, home, begun, (today - EPOCH) * DAY),
        "listingUnits": [_listing_unit(home, number) for number in range(home.units if home.units > 1 else 0)],
        "listingAmenities": [{"id": home.id * 10 + n, "amenityId": n} for n in range(rng.randint(2, 9))],
        "listingBedTypes": [{"id": home.id * 10, "bedTypeId": 2, "quantity": rng.randint(1, 3)}],
        "listingImages": [_listing_image(home.id, n) for n in range(rng.randint(0, 4))],
        "customFieldValues": [{"customFieldId": 167, "value": "Custom field value 🛏️"}],
    }


def _address(rng: Random, place: int, where: Place) -> Payload:
    name = f"{HOMES[place % len(HOMES)]} {place + 1}"
    return {
        "name": name,
        "internalListingName": f"Property #{place + 1}",
        "externalListingName": name,
        "homeawayPropertyName": name,
        "bookingcomPropertyName": name,
        "address": f"Schulstraße {place + 1}, {where.city}",
        "publicAddress": where.city,
        "street": f"Schulstraße {place + 1}",
        "city": where.city,
        "country": where.country,
        "countryCode": where.country,
        "state": None,
        "zipcode": f"{27000 + place}",
        "lat": round(where.lat + rng.random() / 10, 5),
        "lng": round(where.lng + rng.random() / 10, 5),
        "timeZoneName": where.zone,
    }


def _times(rng: Random, home: Home, begun: int, now: int) -> Payload:
    """`insertedOn` lies before the first booking; `latestActivityOn` of an archived listing is its end."""
    if home.opened_on is None:
        inserted = min(begun, now - 365 * DAY) - rng.randrange(5, 300) * DAY
    else:
        inserted = (home.opened_on - EPOCH) * DAY
    last_active = rng.randrange(max(inserted, now - 30 * DAY), now)
    if home.closed_on is not None:
        last_active = (home.closed_on - EPOCH) * DAY + 9 * 3600
    return {"insertedOn": stamp(inserted), "latestActivityOn": stamp(last_active)}


def _listing_unit(home: Home, number: int) -> Payload:
    return {
        "id": unit_id(home, number),
        "name": f"Unit {number + 1}",
        "ground": number,
        "unitNumber": str(101 + number),
        "listingMapIdUnit": None,
    }


def unit_id(home: Home, number: int) -> int:
    return home.id * 10 + number


def _listing_image(listing_id: int, place: int) -> Payload:
    url = f"https://images.example.com/listing/{listing_id}-{place}"
    return {"id": listing_id * 10 + place, "caption": "hall", "url": url, "sortOrder": place}
