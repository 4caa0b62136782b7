"""When a read of a whole list may be trusted, and which rows it lets us mark as deleted.

Pure decisions; sync/sweep.py acts on them.
"""

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What one pass over a list has seen so far."""

    seen: set[int] = field(default_factory=set)
    count: int | None = None  # the server's own count, from its newest page

    def add(self, ids: AbstractSet[int], count: int | None) -> None:
        self.seen |= ids
        self.count = count if count is not None else self.count

    @property
    def is_complete(self) -> bool:
        """The distinct ids seen equal the server's count: nothing slipped past while rows moved."""
        return self.count is not None and len(self.seen) == self.count


@dataclass(frozen=True, slots=True)
class Tombstones:
    """`ids` may be marked as deleted; or none may, and `held_back` says why in a sentence."""

    ids: frozenset[int] = frozenset()
    missing: int = 0
    held_back: str | None = None


def plan_tombstones(alive: AbstractSet[int], seen: AbstractSet[int], *, max_share: float) -> Tombstones:
    """Rows that were alive before a complete sweep and were not in it.

    An answer without any row, or one that lacks more than `max_share` of the rows, looks like a wrong key or a
    broken filter rather than like deletions: then nothing is marked. `max_share=1` means "I know, do it".
    """
    missing = frozenset(alive - seen)
    if not missing or max_share >= 1:
        return Tombstones(missing, len(missing))
    allowed = most_deletions(len(alive), max_share)
    if len(missing) == len(alive) or len(missing) > allowed:
        reason = f"{len(missing)} of {len(alive)} rows are missing from the answer; at most {allowed} may go at once"
        return Tombstones(missing=len(missing), held_back=reason)
    return Tombstones(missing, len(missing))


def most_deletions(alive: int, max_share: float) -> int:
    """How many of so many rows may go at once; rounded up, but not by the noise of binary fractions."""
    return alive if max_share >= 1 else math.ceil(round(alive * max_share, 6))
