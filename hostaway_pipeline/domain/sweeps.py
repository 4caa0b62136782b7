"""Decides whether a read of a whole list is complete, and which missing rows it proves deleted.

sync/pull/sweep.py and sync/pull/threads.py act on it. deletions.py limits how many rows may be marked in a day.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

# Rows may move while a list is read. A list that changes during every pass is left for the next sync.
MAX_PASSES = 3


@dataclass(slots=True)
class Tally:
    """The ids that one pass over a list has seen so far."""

    seen: set[int] = field(default_factory=set)
    count: int | None = None  # the server's own count, from its newest page
    has_ended: bool = False  # an empty page came: nothing follows it

    def add(self, ids: AbstractSet[int], count: int | None, *, is_empty: bool = False) -> None:
        """Count one page: its ids, and the server's count where it gives one."""
        self.seen |= ids
        self.count = count if count is not None else self.count
        self.has_ended = self.has_ended or is_empty

    @property
    def is_complete(self) -> bool:
        """As many distinct ids as the server counts: no row was missed because rows moved."""
        return self.count is not None and len(self.seen) == self.count

    def equals(self, earlier: "Tally") -> bool:
        """Whether both saw the same ids and count: the list stands still, and another pass would show nothing new."""
        return (self.seen, self.count) == (earlier.seen, earlier.count)


@dataclass(slots=True)
class Reading:
    """The passes of one read of a list. It is done when one is complete, two are equal, or MAX_PASSES were made."""

    passes: list[Tally] = field(default_factory=list)

    @property
    def last(self) -> Tally:
        return self.passes[-1] if self.passes else Tally()

    @property
    def is_done(self) -> bool:
        return self.last.is_complete or self.is_stable or len(self.passes) >= MAX_PASSES

    @property
    def is_stable(self) -> bool:
        """Two equal passes in a row."""
        return len(self.passes) > 1 and self.passes[-1].equals(self.passes[-2])

    @property
    def shows_all(self) -> bool:
        """Two equal passes, both up to an empty page: Hostaway has no more rows to give, whatever it counts."""
        return self.is_stable and all(tally.has_ended for tally in self.passes[-2:])

    @property
    def is_complete(self) -> bool:
        """The last pass matches the count; a list without a count is complete when it `shows_all`."""
        return self.last.is_complete or (self.last.count is None and self.shows_all)

    @property
    def is_confirmed(self) -> bool:
        """Complete in two equal passes: a row that is missing was missing twice."""
        return self.is_complete and self.is_stable

    @property
    def disagreement(self) -> str:
        """How ids and count differ, for messages."""
        counted = "no count" if self.last.count is None else f"a count of {self.last.count}"
        return f"{len(self.last.seen)} distinct rows but {counted}, in {len(self.passes)} passes"


@dataclass(frozen=True, slots=True)
class TombstonePlan:
    """The ids to mark as deleted; or none, and `held_back` says why. `missing`: how many rows were missing."""

    ids: frozenset[int] = frozenset()
    missing: int = 0
    held_back: str | None = None


def plan_tombstones(alive: AbstractSet[int], seen: AbstractSet[int], *, max_share: float) -> TombstonePlan:
    """Mark the rows that were alive before a complete sweep and are missing from it.

    When all of them are missing, a wrong key or a broken filter is more likely than deletions: none is marked, however
    few they are. `max_share=1` overrides that.
    """
    missing = frozenset(alive - seen)
    if missing and len(missing) == len(alive) and max_share < 1:
        reason = f"{len(missing)} of {len(alive)} rows are missing from the answer: all that there were"
        return TombstonePlan(missing=len(missing), held_back=reason)
    return TombstonePlan(missing, len(missing))


def plan_after_second_read(
    alive: AbstractSet[int], first: AbstractSet[int], second: Reading, *, max_share: float
) -> TombstonePlan:
    """Mark the rows that both reads of the list lack.

    One read is no proof: an update and a deletion during a pass can cancel out, and one answer may be wrong.
    """
    if not second.is_complete:
        held_back = "rows are missing, and the list changed while it was read again"
        return TombstonePlan(missing=len(alive - first), held_back=held_back)
    return plan_tombstones(alive, first | second.last.seen, max_share=max_share)
