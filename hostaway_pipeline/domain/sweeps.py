"""When a read of a whole list may be trusted, and which rows it lets us mark as deleted.

Pure decisions; sync/sweep.py and sync/messages.py act on them. How many rows may go: deletions.py.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

# Rows may move while a list is read; a list that never stands still for one pass is read again next time.
MAX_PASSES = 3


@dataclass(slots=True)
class Tally:
    """What one pass over a list has seen so far."""

    seen: set[int] = field(default_factory=set)
    count: int | None = None  # the server's own count, from its newest page
    has_ended: bool = False  # an empty page came: there is nothing behind

    def add(self, ids: AbstractSet[int], count: int | None, *, is_empty: bool = False) -> None:
        self.seen |= ids
        self.count = count if count is not None else self.count
        self.has_ended = self.has_ended or is_empty

    @property
    def is_complete(self) -> bool:
        """The distinct ids seen equal the server's count: nothing slipped past while rows moved."""
        return self.count is not None and len(self.seen) == self.count

    def equals(self, earlier: "Tally") -> bool:
        """The same rows and the same count: the list stands still, and another pass would tell nothing new."""
        return (self.seen, self.count) == (earlier.seen, earlier.count)


@dataclass(slots=True)
class Reading:
    """The passes of one read of a list, until one is complete, two are equal, or there were too many."""

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
        """Two equal passes that both went on to an empty page: Hostaway shows no more, whatever it counts."""
        return self.is_stable and all(tally.has_ended for tally in self.passes[-2:])

    @property
    def is_complete(self) -> bool:
        """A list without a count has only its end to tell that it is whole."""
        return self.last.is_complete or (self.last.count is None and self.shows_all)

    @property
    def is_confirmed(self) -> bool:
        """Complete twice over: what is missing was missing in two passes."""
        return self.is_complete and self.is_stable

    @property
    def disagreement(self) -> str:
        counted = "no count" if self.last.count is None else f"a count of {self.last.count}"
        return f"{len(self.last.seen)} distinct rows but {counted}, in {len(self.passes)} passes"


@dataclass(frozen=True, slots=True)
class TombstonePlan:
    """`ids` may be marked as deleted; or none may, and `held_back` says why in a sentence."""

    ids: frozenset[int] = frozenset()
    missing: int = 0
    held_back: str | None = None


def plan_tombstones(alive: AbstractSet[int], seen: AbstractSet[int], *, max_share: float) -> TombstonePlan:
    """Rows that were alive before a complete sweep and were not in it.

    An answer that shows none of them looks like a wrong key or a broken filter rather than like deletions: then nothing
    is marked, however few they are. `max_share=1` means "I know, do it".
    """
    missing = frozenset(alive - seen)
    if missing and len(missing) == len(alive) and max_share < 1:
        reason = f"{len(missing)} of {len(alive)} rows are missing from the answer: all that there were"
        return TombstonePlan(missing=len(missing), held_back=reason)
    return TombstonePlan(missing, len(missing))


def plan_after_second_read(
    alive: AbstractSet[int], first: AbstractSet[int], second: Reading, *, max_share: float
) -> TombstonePlan:
    """What a second read of the list leaves of the plan: a row has gone when both miss it.

    An update and a deletion in one pass can hide each other, and one wrong answer is no proof.
    """
    if not second.is_complete:
        held_back = "rows are missing, and the list changed while it was read again"
        return TombstonePlan(missing=len(alive - first), held_back=held_back)
    return plan_tombstones(alive, first | second.last.seen, max_share=max_share)
