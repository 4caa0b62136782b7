"""The listings of an account, and the days on which each was listed with so many units."""

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from tests.analytics.oracle.bookings import Booking, Night
from tests.analytics.oracle.source import Payload, Source
from tests.analytics.oracle.values import instant, local_day, whole, zone_of

BLOCKED = {"blocked", "hardBlock", "mblocked"}
MONTHS_AHEAD = 18


@dataclass(frozen=True)
class Day:
    """A listed day. Counts are units; `blocked` is None where the calendar was not read."""

    property_id: int
    on: date
    units: int
    sold: int
    owner: int
    hold: int
    blocked: int | None


def zones(source: Source) -> dict[int, ZoneInfo]:
    return {listing["id"]: zone_of(listing.get("timeZoneName")) for listing in source.listings}


def listed_days(source: Source, bookings: Iterable[Booking], nights: Iterable[Night]) -> dict[tuple[int, date], Day]:
    """Every day on which a listing could be sold, by listing and date."""
    taken: Counter[tuple[int | None, date, str]] = Counter()
    for night in nights:
        taken[night.booking.property_id, night.on, night.booking.state] += night.booking.units
    of_property: dict[int, list[Booking]] = {}
    for booking in bookings:
        if booking.takes_nights and booking.property_id is not None:
            of_property.setdefault(booking.property_id, []).append(booking)
    return {
        (listing["id"], on): _day(source, listing, on, taken)
        for listing in source.listings
        for on in _listed(source, listing, of_property.get(listing["id"], []))
    }


def _listed(source: Source, listing: Payload, stays: list[Booking]) -> Iterable[date]:
    first, last = _first_day(source, listing, stays), _last_day(source, listing, stays)
    if first is None or last is None:
        return []
    return [first + timedelta(days) for days in range((last - first).days + 1)]


def _first_day(source: Source, listing: Payload, stays: list[Booking]) -> date | None:
    zone, inserted = zone_of(listing.get("timeZoneName")), instant(listing.get("insertedOn"))
    if inserted is not None:
        return local_day(inserted, zone)
    known = [stay.arrival for stay in stays if stay.arrival]
    if source.first_seen_at is not None:
        known.append(local_day(source.first_seen_at, zone))
    return min(known, default=None)


def _last_day(source: Source, listing: Payload, stays: list[Booking]) -> date | None:
    """The earliest of the ends that apply; None for an archived listing whose end nobody knows."""
    zone, ends = zone_of(listing.get("timeZoneName")), list[date]()
    if listing.get("specialStatus") == "archived":
        seen = source.archived_at.get(listing["id"]) or instant(listing.get("latestActivityOn"))
        sold = [stay.departure - timedelta(1) for stay in stays if stay.state == "sold" and stay.departure]
        if seen is not None:
            ends.append(local_day(seen, zone))
        elif sold:
            ends.append(max(sold))
        else:
            return None
    if listing["id"] in source.deleted_at:
        ends.append(local_day(source.deleted_at[listing["id"]], zone))
    return min(ends, default=_open_end(source.today, stays))


def _open_end(today: date, stays: list[Booking]) -> date:
    """The end of the month that holds the last night taken, but at least of the one 18 months ahead."""
    months = today.year * 12 + today.month - 1 + MONTHS_AHEAD
    ahead = date(months // 12, months % 12 + 1, 1)
    latest = max([ahead, *(stay.departure - timedelta(1) for stay in stays if stay.departure)])
    return latest.replace(day=monthrange(latest.year, latest.month)[1])


def _day(source: Source, listing: Payload, on: date, taken: Counter[tuple[int | None, date, str]]) -> Day:
    sold, owner, hold = (taken[listing["id"], on, state] for state in ("sold", "owner", "hold"))
    row = source.calendar.get((listing["id"], on))
    units = (whole(row.get("countAvailableUnits")) if row else None) or len(listing.get("listingUnits") or []) or 1
    blocked = None if row is None else min(_blocked(row, units), max(0, units - sold - owner - hold))
    return Day(listing["id"], on, units, sold, owner, hold, blocked)


def _blocked(row: Payload, units: int) -> int:
    """What the calendar says; a listing of one unit has no count, only a status."""
    count = whole(row.get("countBlockedUnits"))
    if count is not None:
        return count
    return units if row.get("status") in BLOCKED else 0
