"""What the events of one object come to, given what is stored of it: merge one of them, read the object, or nothing.

Pure: sync/apply.py acts on it. Order of arrival means nothing, for deliveries come late, twice and out of order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hostaway_pipeline.domain.entities import Row


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of an object. `keys` are those of its payload."""

    content_hash: bytes
    source_updated_at: datetime | None
    is_deleted: bool
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one event says of the object. `row` None, or `is_incomplete`: only Hostaway itself can tell."""

    event_id: int
    row: Row | None
    keys: frozenset[str] = frozenset()
    is_incomplete: bool = False

    @property
    def said_at(self) -> datetime | None:
        return self.row.source_updated_at if self.row else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`row` is to be merged, or the object `must_be_read`; events are stale when what is known is newer."""

    row: Row | None
    must_be_read: bool
    applied: tuple[int, ...]
    stale: tuple[int, ...]


def settle(arrivals: Sequence[Arrival], known: Known | None) -> Verdict:
    """Newest by Hostaway's own clock wins. What that clock cannot settle is read by id: no time, a tie, missing keys,
    an object that is marked as deleted."""
    current = [arrival for arrival in arrivals if not _is_behind(arrival, known)]
    stale = tuple(arrival.event_id for arrival in arrivals if _is_behind(arrival, known))
    if not current:
        return Verdict(None, False, (), stale)
    winner = max(current, key=lambda arrival: (arrival.said_at is not None, arrival.said_at, arrival.event_id))
    if _is_unsettled(current, winner, known):
        return Verdict(None, True, tuple(arrival.event_id for arrival in current), stale)
    passed_over = tuple(a.event_id for a in current if a.said_at != winner.said_at)
    same = tuple(a.event_id for a in current if a.said_at == winner.said_at)
    return Verdict(winner.row, False, same, stale + passed_over)


def _is_behind(arrival: Arrival, known: Known | None) -> bool:
    if known is None or known.source_updated_at is None or arrival.said_at is None:
        return False
    return arrival.said_at < known.source_updated_at


def _is_unsettled(current: Sequence[Arrival], winner: Arrival, known: Known | None) -> bool:
    if any(arrival.row is None or arrival.said_at is None for arrival in current):
        return True
    newest = [arrival for arrival in current if arrival.said_at == winner.said_at]
    if any(arrival.is_incomplete for arrival in newest):
        return True
    contents = {arrival.row.content_hash for arrival in newest if arrival.row}
    if known is None:
        return len(contents) > 1
    if known.is_deleted or known.source_updated_at is None or known.keys - winner.keys:
        return True
    if known.source_updated_at == winner.said_at:
        contents.add(known.content_hash)
    return len(contents) > 1
