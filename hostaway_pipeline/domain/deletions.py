"""How many rows may go in a day: one rule for lists, messages, reads by id and gap recovery.

Pure decisions; store/deletions.py counts the days. What proves that a row has gone: sweeps.py.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Of the rows of one entity of an account, unless HOSTAWAY_MAX_DELETE_SHARE says otherwise.
DEFAULT_DELETE_SHARE = 0.2
# So many may always go: a fifth of three listings is less than one.
MIN_DELETIONS = 5


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of a day's deletions in one table of one account.

    `live`: the most rows that lived since the day began. `marked`: those that went since then, whoever marked them.
    `max_share` 1 means "I know, do it", 0 means that nothing may go.
    """

    live: int
    marked: int
    max_share: float

    @property
    def allowed(self) -> int:
        """Rounded up, but not by the noise of binary fractions."""
        return max(MIN_DELETIONS, math.ceil(round(self.live * self.max_share, 6))) if self.max_share > 0 else 0

    def fitting(self, groups: Iterable[frozenset[int]]) -> list[frozenset[int]]:
        """The groups that may go, in their order, each as a whole: an answer that is wrong is wrong as a whole."""
        if self.max_share >= 1:
            return list(groups)
        left, chosen = self.allowed - self.marked, []
        for group in groups:
            if len(group) <= left:
                left -= len(group)
                chosen.append(group)
        return chosen

    def refusal(self, missing: int) -> str:
        """Why so many are held back."""
        went = f", and {self.marked} went already" if self.marked else ""
        return (
            f"{missing} of {self.live} rows are missing from the answer; at most {self.allowed} may go in a day{went}"
        )
