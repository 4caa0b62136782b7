"""Sweeps a list: reads it completely into its table, then marks the rows it no longer shows as deleted."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime

from hostaway_pipeline.client.answers import Page
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import whole_list
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, RESERVATIONS, Entity
from hostaway_pipeline.domain.sweeps import Reading, Tally, TombstonePlan, plan_after_second_read, plan_tombstones
from hostaway_pipeline.domain.thread_order import messages_known_until
from hostaway_pipeline.domain.values import newest
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.sweeps import SweepRecord
from hostaway_pipeline.sync.pull.progress import Progress


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one entity. `record.reason` says what is wrong, if anything is."""

    entity: str
    counts: Counts
    record: SweepRecord | None = None  # None: not a sweep, so nothing is known about deletions
    gone_conversations: int = 0  # marked as deleted while their messages were read
    enquiries: int = 0  # conversations without a reservation that were read by id, one call each


class Sweep:
    """Reads one list of one account until a pass is complete or two are equal; merges page by page."""

    def __init__(
        self,
        entity: Entity,
        client: HostawayClient,
        writer: PullWriter,
        pool: Executor,
        progress: Progress,
    ) -> None:
        self._entity = entity
        self._client = client
        self._writer = writer
        self._pool = pool
        self._progress = progress
        self._counts = Counts()
        self._seen_in_all: set[int] = set()
        self._newest_seen: datetime | None = None
        self._asked_at: datetime | None = None  # when the newest pass began

    def run(self, *, max_delete_share: float) -> Outcome:
        """Sweep; where rows are missing, read once more and delete only those that both reads lack."""
        started_at = self._writer.database_time()
        alive = self._writer.alive_ids(self._entity)
        reading = self._read()
        plan = plan_tombstones(alive, reading.last.seen, max_share=max_delete_share)
        if not reading.is_complete:
            plan = TombstonePlan()
        elif plan.missing and not reading.is_confirmed:
            first = reading.last.seen
            reading = self._read(to_the_end=True)
            plan = plan_after_second_read(alive, first, reading, max_share=max_delete_share)
        record = SweepRecord(
            entity=self._entity.name,
            started_at=started_at,
            is_complete=reading.is_complete,
            server_count=reading.last.count,
            seen_count=len(reading.last.seen),
            held_back=plan.missing - len(plan.ids),
            reason=plan.held_back or _incompleteness(reading),
            known_until=self._known_until(self._asked_at or started_at),
            proven_at=self._asked_at if reading.is_complete and plan.held_back is None else None,
        )
        marked, record = self._writer.finish_sweep(
            self._entity,
            record,
            seen=reading.last.seen,
            deleted=plan.ids,
            asked_at=self._asked_at or started_at,
            max_share=max_delete_share,
        )
        return Outcome(self._entity.name, self._total(marked), record)

    def _known_until(self, asked_at: datetime) -> datetime | None:
        """How far a refresh may rely on this sweep. A conversation that changes meanwhile may be behind it."""
        if self._entity is CONVERSATIONS:
            return messages_known_until([self._newest_seen], asked_at)
        return self._newest_seen

    def _read(self, *, to_the_end: bool = False) -> Reading:
        """`to_the_end`: read past Hostaway's count, as a count that is too low must not hide rows from a deletion."""
        reading = Reading()
        while not reading.is_done:
            reading.passes.append(self._one_pass(to_the_end=to_the_end))
        return reading

    def _one_pass(self, *, to_the_end: bool) -> Tally:
        tally, head = Tally(), None
        self._asked_at = None
        for page in self._pages(to_the_end=to_the_end):
            self._progress.expect(self._entity.name, page.count)
            self._asked_at = self._asked_at or page.read_at
            before = len(tally.seen)
            updated = self._merge_page(page, tally)
            head = head or newest(*updated)
            self._progress.advance(self._entity.name, len(tally.seen) - before)
        if self._entity is RESERVATIONS and not tally.is_complete:
            self._take_second_look(tally, head)
        return tally

    def _take_second_look(self, tally: Tally, head: datetime | None) -> None:
        """Read the head again: under `updatedOn DESC` a row that changes during a pass jumps to the front."""
        for page in self._pages():
            updated = self._merge_page(page, tally)
            if head is None or any(instant is None or instant <= head for instant in updated):
                return

    def _merge_page(self, page: Page, tally: Tally) -> list[datetime | None]:
        """Merge and count a page; returns when each of its rows changed, as Hostaway says."""
        rows = [row for payload in page.rows if (row := self._entity.row(payload, page.read_at)) is not None]
        self._counts += self._writer.merge(self._entity, rows)
        ids = {row.id for row in rows}
        self._seen_in_all |= ids
        tally.add(ids, page.count, is_empty=not page.rows)
        updated = [row.source_updated_at for row in rows]
        self._newest_seen = newest(self._newest_seen, *updated)
        return updated

    def _total(self, deleted: int) -> Counts:
        """Counts each row once, however many passes read it."""
        fetched = len(self._seen_in_all)
        written = self._counts.inserted + self._counts.updated
        return replace(self._counts, fetched=fetched, unchanged=max(0, fetched - written), deleted=deleted)

    def _pages(self, *, to_the_end: bool = False) -> Iterator[Page]:
        return self._client.whole_list(whole_list(self._entity), self._pool, to_the_end=to_the_end)


def _incompleteness(reading: Reading) -> str | None:
    return None if reading.is_complete else f"the list gave {reading.disagreement}"
