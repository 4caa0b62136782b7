"""One complete read of a list into its table, and the tombstones that follow from it."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime

from hostaway_pipeline.client.client import HostawayClient, Page
from hostaway_pipeline.client.paging import after_id, by_offset
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, RESERVATIONS, Entity
from hostaway_pipeline.domain.sweeps import Tally, Tombstones, plan_tombstones
from hostaway_pipeline.domain.values import newest
from hostaway_pipeline.store.account_tables import AccountTables
from hostaway_pipeline.store.sweeps import SweepRecord
from hostaway_pipeline.sync.progress import Progress

# Rows may move while a list is read; a list that never stands still for one pass is read again next time.
MOST_PASSES = 3
_PAGE_LIMIT = {
    LISTINGS.name: 500,
    RESERVATIONS.name: 500,
    CONVERSATIONS.name: 100,
}  # what Hostaway gives at most


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one entity. `record.reason` says what is wrong, if anything is."""

    entity: str
    counts: Counts
    record: SweepRecord | None = None  # None: not a sweep, nothing can be said about deletions


class Sweep:
    """Reads one list of one account until a pass is complete; merges page by page."""

    def __init__(
        self,
        entity: Entity,
        client: HostawayClient,
        tables: AccountTables,
        pool: Executor,
        progress: Progress,
    ) -> None:
        self._entity = entity
        self._client = client
        self._tables = tables
        self._pool = pool
        self._progress = progress
        self._counts = Counts()
        self._seen_in_all: set[int] = set()
        self._newest_seen: datetime | None = None
        self._asked_at: datetime | None = None  # when the newest pass began

    def run(self, *, max_delete_share: float) -> Outcome:
        started_at = self._tables.database_time()
        alive = self._tables.alive_ids(self._entity)
        tally = self._until_complete()
        plan = plan_tombstones(alive, tally.seen, max_share=max_delete_share) if tally.is_complete else Tombstones()
        if plan.ids:
            tally = self._until_complete()
            plan = _confirmed(plan, tally)
        record = SweepRecord(
            entity=self._entity.name,
            started_at=started_at,
            is_complete=tally.is_complete,
            server_count=tally.count,
            seen_count=len(tally.seen),
            held_back=plan.missing - len(plan.ids),
            reason=plan.held_back or _incompleteness(tally),
            known_until=self._newest_seen,
            proven_at=self._asked_at if tally.is_complete else None,
        )
        deleted = self._tables.finish_sweep(
            self._entity, record, seen=tally.seen, deleted=plan.ids, asked_at=self._asked_at or started_at
        )
        return Outcome(self._entity.name, self._total(deleted), record)

    def _until_complete(self) -> Tally:
        tally = Tally()
        for _ in range(MOST_PASSES):
            tally = self._one_pass()
            if tally.is_complete:
                break
        return tally

    def _one_pass(self) -> Tally:
        tally, head = Tally(), None
        self._asked_at = None
        for page in self._pages():
            self._progress.expect(self._entity.name, page.count)
            self._asked_at = self._asked_at or page.read_at
            before = len(tally.seen)
            updated = self._take(page, tally)
            head = head or newest(*updated)
            self._progress.advance(self._entity.name, len(tally.seen) - before)
        if self._entity is RESERVATIONS and not tally.is_complete:
            self._reread_head(tally, head)
        return tally

    def _reread_head(self, tally: Tally, head: datetime | None) -> None:
        """Under `updatedOn DESC` a row that is updated or added during the pass jumps to the front, behind us."""
        for page in self._pages():
            updated = self._take(page, tally)
            if head is None or any(instant is None or instant <= head for instant in updated):
                return

    def _take(self, page: Page, tally: Tally) -> list[datetime | None]:
        """Merge and count a page; returns when Hostaway says that its rows changed."""
        rows = [row for payload in page.rows if (row := self._entity.row(payload, page.read_at)) is not None]
        self._counts += self._tables.merge(self._entity, rows)
        ids = {row.id for row in rows}
        self._seen_in_all |= ids
        tally.add(ids, page.count)
        updated = [row.source_updated_at for row in rows]
        self._newest_seen = newest(self._newest_seen, *updated)
        return updated

    def _total(self, deleted: int) -> Counts:
        """Each row once, however many passes read it."""
        fetched = len(self._seen_in_all)
        written = self._counts.inserted + self._counts.updated
        return replace(self._counts, fetched=fetched, unchanged=max(0, fetched - written), deleted=deleted)

    def _pages(self) -> Iterator[Page]:
        if self._entity is RESERVATIONS:
            return after_id(self._page_after)
        return by_offset(self._page_at, self._pool, concurrency=self._client.concurrency)

    def _page_after(self, position: int | None) -> Page:
        after = {} if position is None else {"afterId": position}
        return self._page({"limit": _PAGE_LIMIT[self._entity.name], "includeResources": 1} | after)

    def _page_at(self, offset: int) -> Page:
        resources = {"includeResources": 1} if self._entity is LISTINGS else {}
        return self._page({"limit": _PAGE_LIMIT[self._entity.name], "offset": offset} | resources)

    def _page(self, params: dict[str, int]) -> Page:
        return self._client.page(f"/{self._entity.name}", params)


def _confirmed(plan: Tombstones, second: Tally) -> Tombstones:
    """A second complete pass must miss the rows too: an update and a deletion in one pass can hide each other."""
    if not second.is_complete:
        held_back = "rows are missing, and the list changed while it was read again"
        return Tombstones(missing=plan.missing, held_back=held_back)
    ids = plan.ids - second.seen
    return replace(plan, ids=ids, missing=len(ids))


def _incompleteness(tally: Tally) -> str | None:
    if tally.is_complete:
        return None
    counted = "no count" if tally.count is None else f"a count of {tally.count}"
    return f"the list gave {len(tally.seen)} distinct rows but {counted}, in {MOST_PASSES} passes"
