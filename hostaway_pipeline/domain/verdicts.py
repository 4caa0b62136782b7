"""What the events of one object come to, given what is stored of it: merge one of them, read the object, or nothing.

Pure: sync/apply.py acts on it. Order of candidate means nothing, for deliveries come late, twice and out of order.
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
    """What one event says of the object. `row` None, or `is_incomplete`: only Hostaway itself can tell."""

    event_id: int
    row: Row | None
    keys: frozenset[str] = frozenset()
    is_incomplete: bool = False

    @property
    def said_at(self) -> datetime | None:
        """Hostaway's time, as far as it is believed."""
        return self.row.source_updated_at if self.row else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`row` is to be merged, or the object `must_be_read`; events are stale when what is known is newer.

    `late` events are stale, too, but came so long after what is known that the object is read before they end.
    `doubted_at`: the receipt of the newest stale event that came after what it lost to, and says otherwise.
    """

    row: Row | None
    must_be_read: bool
    applied: tuple[int, ...]
    stale: tuple[int, ...]
    late: tuple[int, ...] = ()
    doubted_at: datetime | None = None


def decide(candidates: Sequence[Candidate], known: StoredObject | None, trust: timedelta = CLOCK_TRUST) -> Verdict:
    """Newest by Hostaway's own clock wins. What that clock cannot settle is read by id: no time, a tie, missing keys,
    an object that is marked as deleted, or an older event that came later than the trust span after what is stored."""
    current = [candidate for candidate in candidates if not _is_behind(candidate, known)]
    behind = [candidate for candidate in candidates if _is_behind(candidate, known)]
    if not current:
        late = [candidate for candidate in behind if _is_late(candidate, known, trust)]
        stale = _ids(candidate for candidate in behind if candidate not in late)
        return Verdict(None, bool(late), (), stale, _ids(late), None if late else _doubted_at(behind, known))
    winner = max(current, key=lambda candidate: (candidate.said_at is not None, candidate.said_at, candidate.event_id))
    if winner.row is None or _is_unsettled(current, winner, known):
        return Verdict(None, True, _ids(current), _ids(behind))
    passed_over = [candidate for candidate in current if candidate.said_at != winner.said_at]
    same = [candidate for candidate in current if candidate.said_at == winner.said_at]
    merged = StoredObject(winner.row.content_hash, winner.row.version, winner.keys)
    return Verdict(
        winner.row, False, _ids(same), _ids(behind) + _ids(passed_over), (), _doubted_at(behind + passed_over, merged)
    )


def _is_behind(candidate: Candidate, known: StoredObject | None) -> bool:
    return known is not None and is_later(known.version.source_updated_at, candidate.said_at)


def _is_late(candidate: Candidate, known: StoredObject | None, trust: timedelta) -> bool:
    if known is None or candidate.row is None or not _differs(candidate, known):
        return False
    return is_later(candidate.row.read_at, known.version.read_at, by=trust)


def _doubted_at(stale: Iterable[Candidate], kept: StoredObject | None) -> datetime | None:
    if kept is None:
        return None
    doubtful = (
        one.row for one in stale if one.row and _differs(one, kept) and is_doubtful(one.row.version, kept.version)
    )
    return max((row.read_at for row in doubtful if row.read_at is not None), default=None)


def _differs(candidate: Candidate, known: StoredObject) -> bool:
    return candidate.row is not None and not is_same_content(candidate.row.content_hash, known.content_hash)


def _is_unsettled(current: Sequence[Candidate], winner: Candidate, known: StoredObject | None) -> bool:
    if any(candidate.row is None or candidate.said_at is None for candidate in current):
        return True
    newest = [candidate for candidate in current if candidate.said_at == winner.said_at]
    if any(candidate.is_incomplete for candidate in newest):
        return True
    contents = {candidate.row.content_hash for candidate in newest if candidate.row}
    if known is None:
        return len(contents) > 1
    if known.version.is_deleted or known.version.source_updated_at is None or known.keys - winner.keys:
        return True
    if known.version.source_updated_at == winner.said_at and not _is_part_of(known, winner):
        contents.add(known.content_hash)
    return len(contents) > 1


def _is_part_of(known: StoredObject, winner: Candidate) -> bool:
    """Stored from a list that lacks the optional keys which the event brings."""
    return winner.row is not None and is_same_content(known.content_hash, winner.row.content_hash)


def _ids(candidates: Iterable[Candidate]) -> tuple[int, ...]:
    return tuple(candidate.event_id for candidate in candidates)
