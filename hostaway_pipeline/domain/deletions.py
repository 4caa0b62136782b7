"""Limits how many rows may be marked as deleted in a day: one rule for lists, messages, reads by id and gap recovery.

store/copy/deletions.py keeps the count of each day; sweeps.py decides which rows are proven missing.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Default of HOSTAWAY_MAX_DELETE_SHARE: the share of an account's rows of one entity.
DEFAULT_DELETE_SHARE = 0.2
# Always allowed, whatever the share: a fifth of three listings is less than one.
MIN_DELETIONS = 5


@dataclass(frozen=True, slots=True)
class Budget:
    """The deletions of a day in one table of one account.

    `live`: the largest number of live rows since the day began. `marked`: the rows marked as deleted since then, by
    any process. `max_share`: 1 allows all of them, 0 none.
    """

    live: int
    marked: int
    max_share: float

    @property
    def allowed(self) -> int:
        """How many rows may be marked in the day. Rounded up, but not by the rounding error of a float."""
        return max(MIN_DELETIONS, math.ceil(round(self.live * self.max_share, 6))) if self.max_share > 0 else 0

    def choose(self, groups: Iterable[frozenset[int]]) -> list[frozenset[int]]:
        """The groups of ids that fit what is left, in order. None is split: a wrong answer is wrong as a whole."""
        if self.max_share >= 1:
            return list(groups)
        left, chosen = self.allowed - self.marked, []
        for group in groups:
            if len(group) <= left:
                left -= len(group)
                chosen.append(group)
        return chosen

    def refusal(self, missing: int) -> str:
        """Why this many missing rows are held back, in one sentence."""
        earlier = f", and {self.marked} were already" if self.marked else ""
        return (
            f"{missing} of {self.live} rows are missing from the answer; at most {self.allowed} may be deleted in a day"
            f"{earlier}"
        )
