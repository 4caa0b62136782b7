"""Sets tombstones within a daily budget per account and entity, which pull and push share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, update

from hostaway_pipeline.domain.deletions import Budget
from hostaway_pipeline.domain.entities import Entity
from hostaway_pipeline.store.copy.sweeps import mark_deleted
from hostaway_pipeline.store.database import driver, query
from hostaway_pipeline.store.schema import deletion_budgets


@dataclass(frozen=True, slots=True)
class Marked:
    """The number of tombstones set; the ids that were held back, and the reason."""

    deleted: int = 0
    held_back: frozenset[int] = frozenset()
    reason: str | None = None


class Deletions:
    """The tombstones of one transaction in one table of an account. Locks the day's budget until the transaction ends.

    Create it before the transaction locks rows of the table: every deletion locks the budget first and the rows after
    it, so that two of them wait for each other instead of deadlocking. `asked_at`: as for `mark_deleted`. A dry run
    does not change the budget.
    """

    def __init__(
        self,
        connection: Connection,
        entity: Entity,
        account_id: int,
        asked_at: datetime,
        max_share: float,
        *,
        dry_run: bool = False,
    ) -> None:
        self._connection = connection
        self._entity = entity
        self._account_id = account_id
        self._asked_at = asked_at
        self._dry_run = dry_run
        self._budget = self._open_budget(max_share)

    def mark(self, groups: Sequence[frozenset[int]]) -> Marked:
        """Set the tombstones of the groups that fit the budget, each group as a whole or not at all."""
        ids = frozenset[int]().union(*self._budget.choose(groups))
        held_back = frozenset[int]().union(*groups) - ids
        reason = self._budget.refusal(len(held_back)) if held_back else None
        if self._dry_run:
            return Marked(len(ids), held_back, reason)
        deleted = mark_deleted(self._connection, self._entity, self._account_id, ids, self._asked_at)
        self._spend(deleted)
        return Marked(deleted, held_back, reason)

    def _open_budget(self, max_share: float) -> Budget:
        if max_share >= 1:  # an explicit decision: needs no budget, and spends none
            return Budget(live=0, marked=0, max_share=max_share)
        with self._connection.begin_nested() as step:
            live, marked = self._lock_budget()
            if self._dry_run:
                step.rollback()
        return Budget(live, marked, max_share)

    def _lock_budget(self) -> tuple[int, int]:
        values = {"account_id": self._account_id, "entity": self._entity.name}
        cursor = driver(self._connection).cursor()
        row = cursor.execute(query("open_deletion_budget", self._entity.name), values).fetchone()
        assert row is not None  # noqa: S101 (an upsert always returns its row)
        return int(row[0]), int(row[1])

    def _spend(self, deleted: int) -> None:
        if not deleted or self._budget.max_share >= 1:
            return
        c = deletion_budgets.c
        mine = (c.account_id == self._account_id) & (c.entity == self._entity.name)
        self._connection.execute(update(deletion_budgets).where(mine).values(marked=c.marked + deleted))
        self._budget = replace(self._budget, marked=self._budget.marked + deleted)
