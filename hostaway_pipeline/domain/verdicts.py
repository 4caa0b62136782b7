"""Decides what to do with the events of one object, given its stored row: merge one, read the object by id, or nothing.

Deliveries come late, twice and out of order, so the order of arrival does not count. tests/unit/test_verdicts.py lists
the cases. store/queries/merge.sql compares the source times again, because another process may have written meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostaway_pipeline.domain.clocks import CLOCK_TRUST, Version, is_doubtful, is_later
from hostaway_pipeline.domain.entities import Row
from hostaway_pipeline.domain.payloads import is_same_content


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is stored of an object. `keys` are those of its payload."""

    content_hash: bytes
    version: Version
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One event's version of the object. `row` is None where the payload could not be parsed or proves nothing.

    `is_incomplete`: the payload lacks keys that columns are read from.
    """

    event_id: int
    row: Row | None
    keys: frozenset[str] = frozenset()
    is_incomplete: bool = False

    @property
    def source_updated_at(self) -> datetime | None:
        """Hostaway's time; None when it is missing or implausible."""
        return self.row.source_updated_at if self.row else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Merge `row`, or read the object by id (`must_be_read`), or neither. The rest are event ids and how they end.

    `stale` events are older than what is stored. `late` ones are older, too, but arrived so long after it that the
    object is read first. `doubted_at`: the newest receipt of a stale event that contradicts what it lost to and
    arrived after it.
    """

    row: Row | None
    must_be_read: bool
    applied: tuple[int, ...]
    stale: tuple[int, ...]
    late: tuple[int, ...] = ()
    doubted_at: datetime | None = None


def decide(candidates: Sequence[Candidate], stored: StoredObject | None, trust: timedelta = CLOCK_TRUST) -> Verdict:
    """The newest candidate by Hostaway's clock wins.

    The object must be read where that clock cannot decide: no time, a tie, missing keys, a row marked as deleted, or
    an older event that arrived more than `trust` after what is stored.
    """
    current = [candidate for candidate in candidates if not _is_older(candidate, stored)]
    older = [candidate for candidate in candidates if _is_older(candidate, stored)]
    if not current:
        late = [candidate for candidate in older if _is_late(candidate, stored, trust)]
        stale = _ids(candidate for candidate in older if candidate not in late)
        return Verdict(None, bool(late), (), stale, _ids(late), None if late else _doubted_at(older, stored))
    winner = max(current, key=_age)
    if winner.row is None or _is_ambiguous(current, winner, stored):
        return Verdict(None, True, _ids(current), _ids(older))
    same = [candidate for candidate in current if candidate.source_updated_at == winner.source_updated_at]
    superseded = [candidate for candidate in current if candidate not in same]
    merged = StoredObject(winner.row.content_hash, winner.row.version, winner.keys)
    stale = _ids(older) + _ids(superseded)
    return Verdict(winner.row, False, _ids(same), stale, (), _doubted_at(older + superseded, merged))


def _age(candidate: Candidate) -> tuple[bool, datetime | None, int]:
    return candidate.source_updated_at is not None, candidate.source_updated_at, candidate.event_id


def _is_older(candidate: Candidate, stored: StoredObject | None) -> bool:
    return stored is not None and is_later(stored.version.source_updated_at, candidate.source_updated_at)


def _is_late(candidate: Candidate, stored: StoredObject | None, trust: timedelta) -> bool:
    if stored is None or candidate.row is None or not _differs(candidate, stored):
        return False
    return is_later(candidate.row.read_at, stored.version.read_at, by=trust)


def _doubted_at(stale: Iterable[Candidate], kept: StoredObject | None) -> datetime | None:
    if kept is None:
        return None
    rows = (candidate.row for candidate in stale if candidate.row and _differs(candidate, kept))
    doubtful = (row.read_at for row in rows if is_doubtful(row.version, kept.version))
    return max((read_at for read_at in doubtful if read_at is not None), default=None)


def _differs(candidate: Candidate, stored: StoredObject) -> bool:
    return candidate.row is not None and not is_same_content(candidate.row.content_hash, stored.content_hash)


def _is_ambiguous(current: Sequence[Candidate], winner: Candidate, stored: StoredObject | None) -> bool:
    if any(candidate.row is None or candidate.source_updated_at is None for candidate in current):
        return True
    newest = [candidate for candidate in current if candidate.source_updated_at == winner.source_updated_at]
    if any(candidate.is_incomplete for candidate in newest):
        return True
    contents = {candidate.row.content_hash for candidate in newest if candidate.row}
    if stored is None:
        return len(contents) > 1
    if stored.version.is_deleted or stored.version.source_updated_at is None or stored.keys - winner.keys:
        return True
    if stored.version.source_updated_at == winner.source_updated_at and not _is_part_of(stored, winner):
        contents.add(stored.content_hash)
    return len(contents) > 1


def _is_part_of(stored: StoredObject, winner: Candidate) -> bool:
    """The stored content came from a list that lacks the optional keys which the event carries."""
    return winner.row is not None and is_same_content(stored.content_hash, winner.row.content_hash)


def _ids(candidates: Iterable[Candidate]) -> tuple[int, ...]:
    return tuple(candidate.event_id for candidate in candidates)
