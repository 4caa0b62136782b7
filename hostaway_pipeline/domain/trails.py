"""Replays the audit trail of a reservation backwards, from a state that is known to the states before it.

Reading its entries: trail_entries.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import groupby
from types import MappingProxyType
from typing import Any, Literal

from hostaway_pipeline.domain.trail_entries import Change, Trail
from hostaway_pipeline.domain.values import as_decimal

Outcome = Literal["whole", "cut", "contradictory", "missing"]
Line = Mapping[str, Any]

# Trails tell the total of a line but not its type, nor whether it is part of the total price. Other names stay unknown.
_KINDS: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "baseRate": ("accomodation", True),
        **dict.fromkeys(("cleaningFee", "pricePerExtraPerson", "cancellationPayout"), ("fee", True)),
        **dict.fromkeys(("vat", "cityTax"), ("tax", True)),
        **dict.fromkeys(("hostChannelFee", "guestChannelFee"), ("commissions", False)),
        **dict.fromkeys(("airbnbPayoutSum", "totalPriceFromChannel"), ("totals", False)),
    }
)
_DATES = ("arrival_date", "departure_date")
# Amounts in trails may be rounded.
_ROUNDING = Decimal("0.01")
_ALWAYS, _NEVER = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class State:
    """A reservation's values by versioned column, and its finance lines; `lines` is None where they are not known."""

    values: Mapping[str, Any]
    lines: Sequence[Line] | None = None


@dataclass(frozen=True, slots=True)
class PastVersion:
    """A state that was superseded at `valid_to`. `valid_from`: None since it was booked.

    Its `lines` are None where they are those of the next version, or not known.
    """

    state: State
    valid_from: datetime | None
    valid_to: datetime
    is_reconstructed: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """`versions`: oldest first. `outcome`: whole: consistent, and back to the creation of the reservation."""

    outcome: Outcome
    versions: list[PastVersion]


def replay(trail: Trail, state: State, *, known_at: datetime | None = None, until: datetime | None = None) -> Replay:
    """Undo the changes of a trail from a state.

    `known_at`: the state includes every change up to then; None: not known. `until`: it includes none after then. Of
    the changes between the two, those that do not lead to the state came after it.
    """
    if not trail.entries:
        return Replay("missing", [])
    walk = _Walk(state, known_at or _NEVER)
    earlier = [change for change in trail.changes if change.at <= (until or _ALWAYS)]
    superseded = [
        (State(dict(walk.values), walk.lines), at)
        for at, changes in groupby(earlier, key=lambda change: change.at)
        if walk.undo(list(changes))
    ]
    is_consistent = trail.is_readable and walk.is_consistent
    outcome: Outcome = ("whole" if walk.born_at else "cut") if is_consistent else "contradictory"
    return Replay(outcome, _versions(state, superseded, walk.born_at, is_sure=is_consistent))


class _Walk:
    """Goes back through the changes of a trail."""

    def __init__(self, state: State, known_at: datetime) -> None:
        self.values = dict(state.values)
        self.lines = state.lines
        self.is_consistent = True
        self.born_at: datetime | None = None
        self._known_at = known_at
        self._reached: set[tuple[str, bool]] = set()  # fields of which a change led to the state

    def undo(self, changes: list[Change]) -> bool:
        """Undo the changes of one moment; returns whether there was another state before."""
        after = dict(self.values), self.lines
        has_placeholders = self.values.get("is_dates_unspecified")
        for change in changes:
            if self.born_at is not None and change.at < self.born_at:
                # A new reservation may set its fields one after the other.
                self.is_consistent = self.is_consistent and change.previous is None
                continue
            leads_here = self._leads_here(change) or (
                change.name in _DATES and bool(has_placeholders or self.values.get("is_dates_unspecified"))
            )
            place = change.name, change.is_line
            if not leads_here and change.at > self._known_at and place not in self._reached:
                continue
            self._reached.add(place)
            self.is_consistent = self.is_consistent and leads_here
            if change.is_line:
                self._undo_line(change)
            else:
                self.values[change.name] = change.previous
            if change.name == "status" and not change.is_line and change.previous is None:
                self.born_at = change.at
        return self.born_at is None and after != (self.values, self.lines)

    def _leads_here(self, change: Change) -> bool:
        """Whether the change sets what is known to be set after it."""
        if not change.is_line:
            return _is_same(self.values.get(change.name), change.new)
        if self.lines is None:
            return True
        totals = [as_decimal(line["total"]) for line in self.lines if _is_line(line, change.name)]
        return any(_is_same(total, change.new) for total in totals or [None])

    def _undo_line(self, change: Change) -> None:
        if self.lines is None:
            return
        places = [place for place, line in enumerate(self.lines) if _is_line(line, change.name)]
        fitting = [place for place in places if _is_same(as_decimal(self.lines[place]["total"]), change.new)]
        lines = list(self.lines)
        place = next(iter(fitting or places), None)
        if place is None:
            kind, is_included = _kind(change.name)
            marks = {"is_included": is_included, "is_deleted": False}
            lines.append({"name": change.name, "type": kind, "total": change.previous, **marks})
        else:
            lines[place] = {**lines[place], "total": change.previous}
        self.lines = [line for line in lines if line["total"] is not None or not _is_line(line, change.name)]


def _versions(
    present: State, superseded: list[tuple[State, datetime]], born_at: datetime | None, *, is_sure: bool
) -> list[PastVersion]:
    """The versions, oldest first, of states that come newest first."""
    starts = [valid_to for _, valid_to in superseded[1:]] + [born_at]
    newer = [present, *(state for state, _ in superseded)]
    versions = [
        PastVersion(
            replace(state, lines=None if state.lines == after.lines else state.lines),
            valid_from,
            valid_to,
            is_reconstructed=not is_sure or valid_from is None,
        )
        for (state, valid_to), valid_from, after in zip(superseded, starts, newer, strict=False)
    ]
    if born_at is None:
        _split_cancelled(versions, newer[-1])
    return versions[::-1]


def _split_cancelled(versions: list[PastVersion], oldest: State) -> None:
    """A reservation was not cancelled from the start: without a trail of that, it counts as new until that day."""
    cancelled_on = oldest.values.get("cancelled_on")
    if oldest.values.get("status") != "cancelled" or not isinstance(cancelled_on, date):
        return
    cancelled_at = datetime.combine(cancelled_on, time(), UTC)
    if versions and cancelled_at < versions[-1].valid_to:
        versions[-1] = replace(versions[-1], valid_from=cancelled_at)
    elif versions:
        return
    sold = {**oldest.values, "status": "new", "cancelled_on": None}
    versions.append(PastVersion(State(sold), None, cancelled_at, is_reconstructed=True))


def _is_same(held: Any, told: Any) -> bool:
    """Zero, false and not set are the same to trails."""
    if isinstance(held, Decimal) and isinstance(told, Decimal):
        return abs(held - told) < _ROUNDING
    return held == told or (not held and not told)


def _is_line(line: Line, name: str) -> bool:
    return line["name"] == name and not line["is_deleted"]


def _kind(name: str) -> tuple[str | None, bool | None]:
    if "discount" in name.lower():
        return "discount", True
    return _KINDS.get(name, (None, None))
