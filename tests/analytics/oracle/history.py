"""What the bookings of an account were at the end of a past day, replayed from what a test did to them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from tests.analytics.oracle.bookings import Booking, bookings
from tests.analytics.oracle.source import Payload, Source
from tests.analytics.oracle.values import day, instant


@dataclass
class History:
    """`source`: the account as it is now, for its listings and rules. `states`: what each reservation was since when.

    None stands for a deleted reservation. The first state of each is the one in which it was first seen; before that it
    was the same since it was booked, except that a cancelled one was sold until the day of its cancellation.
    """

    source: Source
    states: dict[int, list[tuple[datetime, Payload | None]]] = field(default_factory=dict)

    def record(self, reservations: list[Payload]) -> None:
        """Note the present objects; those that were known and are missing have been deleted now."""
        for row in reservations:
            known = self.states.setdefault(row["id"], [])
            since = _booked_at(row) if not known else instant(row["updatedOn"]) if known[-1][1] else None
            if not known or known[-1][1] != row:
                known.append((since or datetime.now(UTC), row))
        present = {row["id"] for row in reservations}
        for key, known in self.states.items():
            if key not in present and known[-1][1] is not None:
                known.append((datetime.now(UTC), None))

    def on(self, at: date) -> list[Booking]:
        """The bookings as they were at the end of that day, UTC."""
        end = datetime.combine(at + timedelta(1), time(), UTC)
        found = [_state(known, end) for known in self.states.values()]
        return bookings(replace(self.source, reservations=[row for row in found if row is not None]))

    def each(self) -> Iterator[list[tuple[datetime, str, str]]]:
        """The states of each booking: since when, what, and the channel."""
        for known in self.states.values():
            rows = [(since, row) for since, row in known if row is not None]
            made = bookings(replace(self.source, reservations=[row for _, row in rows]))
            yield [(since, booking.state, booking.channel) for (since, _), booking in zip(rows, made, strict=True)]


def _state(known: list[tuple[datetime, Payload | None]], end: datetime) -> Payload | None:
    place = sum(since < end for since, _ in known) - 1
    if place < 0:
        return None
    row = known[place][1]
    if place == 0 and row is not None and row["status"] == "cancelled":
        cancelled = day(row["cancellationDate"])
        if cancelled is not None and datetime.combine(cancelled, time(), UTC) >= end:
            return row | {"status": "new"}
    return row


def _booked_at(row: Payload) -> datetime | None:
    return instant(row["reservationDate"]) or instant(row["insertedOn"])
