"""The bookings of an account: state, nights, units, and the money that belongs to the host's rent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from tests.analytics.oracle.source import Payload, Source
from tests.analytics.oracle.values import day, instant, is_set, local_day, number, share_of_night, whole, zone_of

STATES = {
    "ownerStay": "owner",
    "awaitingPayment": "hold",
    "awaitingGuestVerification": "hold",
    "pending": "tentative",
    "unconfirmed": "tentative",
    "cancelled": "cancelled",
    "declined": "declined",
    "expired": "declined",
}
CHANNELS = {
    2018: "airbnb",
    2005: "bookingcom",
    2002: "vrbo",
    2000: "direct",
    2007: "expedia",
    2013: "bookingengine",
    2020: "partner",
    2010: "ical",
    2015: "ical",
}
TAKING = {"sold", "owner", "hold"}
LONGEST_STAY = 1100


@dataclass(frozen=True)
class Booking:
    """`nights` is None when the dates are unspecified or unknown; `booked_on` is local; amounts are of the stay."""

    id: int
    property_id: int | None
    channel: str
    state: str
    arrival: date | None
    departure: date | None
    nights: int | None
    units: int
    currency: str
    rent: Decimal | None
    commission: Decimal | None
    total_price: Decimal | None
    booked_on: date | None
    is_dates_unspecified: bool
    counts_departure: bool

    @property
    def takes_nights(self) -> bool:
        return self.state in TAKING and self.nights is not None and 1 <= self.nights <= LONGEST_STAY

    def each_night(self) -> Iterator["Night"]:
        """The nights that the booking takes, with their shares of rent and commission; none for most states."""
        if not self.takes_nights or self.arrival is None or self.nights is None:
            return
        for place in range(self.nights + self.counts_departure):
            night = min(place + 1, self.nights)
            yield Night(
                self,
                self.arrival + timedelta(place),
                self._share(self.rent, night),
                self._share(self.commission, night),
            )

    def _share(self, amount: Decimal | None, night: int) -> Decimal | None:
        return None if amount is None or not self.nights else share_of_night(amount, night, self.nights, self.currency)


@dataclass(frozen=True)
class Night:
    """One night of a booking. Only sold nights earn money."""

    booking: Booking
    on: date
    rent: Decimal | None
    commission: Decimal | None

    @property
    def is_priced(self) -> bool:
        return self.booking.rent is not None and self.booking.rent > 0


def bookings(source: Source) -> list[Booking]:
    listings = {listing["id"]: listing for listing in source.listings}
    return [_booking(source, row, listings.get(whole(row.get("listingMapId")) or 0)) for row in source.reservations]


def _booking(source: Source, row: Payload, listing: Payload | None) -> Booking:
    zone = zone_of(listing.get("timeZoneName")) if listing else ZoneInfo("UTC")
    arrival, departure = day(row.get("arrivalDate")), day(row.get("departureDate"))
    is_unspecified = is_set(row.get("isDatesUnspecified"))
    known = arrival is not None and departure is not None and not is_unspecified
    booked = instant(row.get("reservationDate"))
    lines = [line for line in row.get("financeField") or [] if not is_set(line.get("isDeleted"))]
    lines = lines if source.has_finance else []
    total = number(row.get("totalPrice"))
    return Booking(
        id=row["id"],
        property_id=whole(row.get("listingMapId")),
        channel=CHANNELS.get(whole(row.get("channelId")) or 0, str(row.get("channelName") or "unknown").lower()),
        state=_state(row.get("status"), source.rules.sold),
        arrival=arrival,
        departure=departure,
        nights=(departure - arrival).days if known and arrival and departure else None,
        units=len(row.get("reservationUnit") or []) or 1,
        currency=row.get("currency") or (listing or {}).get("currencyCode") or "XXX",
        rent=total if source.rules.rent_is_total else _rent(lines),
        commission=_commission(lines, number(row.get("channelCommissionAmount"))),
        total_price=total,
        booked_on=local_day(booked, zone) if booked else None,
        is_dates_unspecified=is_unspecified,
        counts_departure=source.rules.counts_departure,
    )


def _state(status: object, sold: frozenset[str]) -> str:
    if status in sold:
        return "sold"
    if isinstance(status, str) and status.startswith("inquiry"):
        return "inquiry"
    return STATES.get(str(status), "unknown")


def _rent(lines: list[Payload]) -> Decimal | None:
    """Base rate and discounts, as far as they are included in the total; None without a base rate."""
    included = [line for line in lines if line.get("isIncludedInTotalPrice") in (1, "1", True, None)]
    if not any(line.get("name") == "baseRate" for line in included):
        return None
    return sum((number(line.get("total")) or Decimal() for line in included if _is_rent(line)), Decimal())


def _is_rent(line: Payload) -> bool:
    name = str(line.get("name") or "")
    return name == "baseRate" or line.get("type") == "discount" or "discount" in name.lower()


def _commission(lines: list[Payload], of_reservation: Decimal | None) -> Decimal | None:
    fees = [number(line.get("total")) or Decimal() for line in lines if line.get("name") == "hostChannelFee"]
    return sum(fees, Decimal()) if fees else of_reservation
