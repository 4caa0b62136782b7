"""Records what changes in reservations as entries of their audit trails, newest first, and undoes them to look back.

The entries from before the sandbox began: world/past.py. Answers and faults: api/routes.py, rules/faults.py.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple
from zlib import crc32

from hostaway_pipeline.sandbox.rules.faults import Faults
from hostaway_pipeline.sandbox.templates import Payload
from hostaway_pipeline.sandbox.world import past
from hostaway_pipeline.sandbox.world.bookings import Booking
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.nights import Nights
from hostaway_pipeline.sandbox.world.past import FINANCE, Field, State, traced

USERS = 4


class Entry(NamedTuple):
    """One change of one field; None is a value that was not set. `at`: Hostaway's clock."""

    at: str
    field: Field
    previous: Any
    new: Any


class Trails:
    """The trails of one account. Only those of reservations that have changed are kept; the others are made anew."""

    def __init__(self, seed: str, nights: Nights) -> None:
        self._seed = seed
        self._nights = nights
        self._kept: dict[int, list[Entry]] = {}  # oldest first
        self._deletions: dict[int, Deletions] = {}

    def record_new(self, payload: Payload) -> None:
        self._kept[payload["id"]] = list(changes(payload["insertedOn"], {}, past.born(traced(payload))))

    def record(self, before: Payload, price: Price | None, after: Payload, at: str) -> None:
        """Add entries for every field that differs. `price`: what `before` was priced with."""
        if made := list(changes(at, traced(before), traced(after))):
            if before["id"] not in self._kept:
                self._kept[before["id"]] = self._generated(before, price)
            self._kept[before["id"]] += made

    def record_deletion(self, booking: Booking, at: str, *, is_deleted: bool) -> None:
        """A deletion or a restoration: trails say nothing of them."""
        self._deletions.setdefault(booking.own["id"], Deletions(booking)).times.append((at, is_deleted))

    def of(self, booking: Booking) -> list[Entry]:
        """The entries of a reservation, oldest first."""
        kept = self._kept.get(booking.own["id"])
        return self._generated(booking.payload(), booking.price) if kept is None else kept

    def states_at(self, moment: str, present: Iterable[Booking]) -> Iterator[Payload]:
        """The fields of every reservation that there was at the end of that second; `present`: those that there are.

        `financeField` maps the names of lines to totals.
        """
        gone = (deletions.booking for deletions in self._deletions.values() if deletions.is_gone("9999"))
        for booking in chain(present, gone):
            deletions = self._deletions.get(booking.own["id"])
            entries = self.of(booking)
            if entries[0].at <= moment and not (deletions and deletions.is_gone(moment)):
                yield {"id": booking.own["id"], **undo(traced(booking.payload()), entries, moment)}

    def _generated(self, payload: Payload, price: Price | None) -> list[Entry]:
        made: list[Entry] = []
        older: State = {}
        for at, state in past.states(self._seed, payload, price, self._nights.home(payload["listingMapId"])):
            made += changes(at, older, state if older else past.born(state))
            older = state
        return made


@dataclass(slots=True)
class Deletions:
    """When a reservation was deleted (True) and restored (False)."""

    booking: Booking
    times: list[tuple[str, bool]] = field(default_factory=list)

    def is_gone(self, moment: str) -> bool:
        before = [is_deleted for at, is_deleted in self.times if at <= moment]
        return bool(before) and before[-1]


def undo(state: State, entries: list[Entry], moment: str) -> Payload:
    """The state before all entries that are later than a moment."""
    for entry in reversed(entries):
        if entry.at > moment:
            state[entry.field] = entry.previous
    lines = {name: total for (source, name), total in state.items() if source == FINANCE and total is not None}
    return {name: value for (source, name), value in state.items() if source != FINANCE} | {"financeField": lines}


def changes(at: str, before: State, after: State) -> Iterator[Entry]:
    """An entry for each field whose text differs, in a fixed order."""
    differ = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in sorted(differ):
        previous, new = before.get(name), after.get(name)
        if text(previous) != text(new):
            yield Entry(at, name, previous, new)


def payloads(booking: Booking, entries: list[Entry]) -> list[Payload]:
    """The entries as Hostaway shows them, newest first. An id is unique within its source only."""
    own = booking.payload(("financeField",))
    numbers: defaultdict[str, int] = defaultdict(int)
    shown: list[Payload] = []
    for entry in entries:
        source, name = entry.field
        numbers[source] += 1
        user = crc32(f"{own['id']} {entry.at}".encode()) % USERS
        shown.append(
            {
                "id": own["id"] % 10**7 * 1000 + numbers[source],
                "reservationId": own["id"],
                "listingMapId": own["listingMapId"],
                "channelId": own["channelId"],
                "source": source,
                "updatedField": name,
                "updatedFieldLabel": re.sub("[A-Z]", lambda capital: f" {capital[0].lower()}", name).capitalize(),
                "previousValue": text(entry.previous),
                "newValue": text(entry.new),
                "updatedByUserId": 9000 + user if user else None,
                "updatedByUserName": f"staff{user}@hosts.example.com" if user else "",
                "insertedOn": entry.at,
                "updatedOn": entry.at,
            }
        )
    return shown[::-1]


def distort(shown: list[Payload], reservation_id: int, faults: Faults) -> list[Payload]:
    """A trail as Hostaway shows it, with its faults."""
    if faults.picks("trails_missing", reservation_id):
        return []
    kept = [entry for entry in shown if entry["insertedOn"] >= faults.trails_since]
    newest = next((n for n, entry in enumerate(kept) if entry["updatedField"] == "status"), None)
    if newest is not None and faults.picks("trails_contradict", reservation_id):
        kept[newest] = kept[newest] | {"newValue": "contradiction"}
    return kept


def text(value: Any) -> str:
    """A value as trails spell it: what is not set is empty, and whole amounts have no decimal places."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
