"""Reads and writes the rows of one account for a sync, one transaction per call. A dry run writes nothing."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from hostaway_pipeline.domain.calendar import Days
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.deletions import DEFAULT_DELETE_SHARE
from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES, Entity, Row
from hostaway_pipeline.domain.markers import Markers
from hostaway_pipeline.store.copy import calendar, finance, sweeps, threads
from hostaway_pipeline.store.copy.calendar import WrittenDays
from hostaway_pipeline.store.copy.deletions import Deletions, Marked
from hostaway_pipeline.store.copy.merge import Owner, merge
from hostaway_pipeline.store.copy.sweeps import SweepRecord
from hostaway_pipeline.store.copy.threads import Read, Unread
from hostaway_pipeline.store.database import Database, driver
from hostaway_pipeline.store.sync_runs import require_run

T = TypeVar("T")


class PullWriter:
    """Reads and writes only rows of the owner's account.

    Raises SyncInProgress instead of writing once another process has replaced the owner's run, and AccountError once
    the account was removed: see `require_run`.
    """

    def __init__(self, database: Database, owner: Owner, *, dry_run: bool = False) -> None:
        self.account_id = owner.account_id
        self.dry_run = dry_run
        self._owner = owner
        self._database = database
        self._unwritten: dict[int, Unread] = {}  # conversations that a dry run would have stored

    def merge(self, entity: Entity, rows: Sequence[Row]) -> Counts:
        if self.dry_run and entity is CONVERSATIONS:
            self._unwritten |= {row.id: _unread(row) for row in rows}
        owner = self._owner
        return self._database.run(lambda c: merge(c, entity, rows, owner, is_read=True, dry_run=self.dry_run))

    def alive_ids(self, entity: Entity) -> set[int]:
        with self._database.autocommit() as connection:
            return sweeps.alive_ids(connection, entity, self.account_id)

    def database_time(self) -> datetime:
        return self._database.now()

    def finish_sweep(
        self,
        entity: Entity,
        record: SweepRecord,
        *,
        seen: AbstractSet[int],
        deleted: Collection[int],
        asked_at: datetime,
        max_share: float = DEFAULT_DELETE_SHARE,
    ) -> tuple[int, SweepRecord]:
        """Set a sweep's tombstones, all or none, and store its record; returns the number set and the record.

        `asked_at`: when the pass began that did not return them. `max_share`: of the live rows, per day.
        """

        def finish(connection: Connection) -> tuple[int, SweepRecord]:
            marked, finished = Marked(), record
            if deleted:
                marked = self._deletions(connection, entity, asked_at, max_share).mark([frozenset(deleted)])
            if marked.held_back:
                finished = replace(record, held_back=len(marked.held_back), reason=marked.reason)
            if not self.dry_run:
                table_count = sweeps.live_rows(connection, self.account_id, finished, seen)
                sweeps.record_sweep(connection, self.account_id, finished, table_count=table_count)
            return marked.deleted, finished

        return self._write(finish)

    def finish_messages(self, record: SweepRecord) -> SweepRecord:
        """Store the record of a read of messages, with counts from the conversations: messages have no list."""

        def finish(connection: Connection) -> SweepRecord:
            counts = threads.message_counts(connection, self.account_id)
            finished = replace(record, server_count=counts.counted, seen_count=counts.live)
            if not self.dry_run:
                numbers = {"table_count": counts.here, "orphan_count": counts.orphans}
                sweeps.record_sweep(connection, self.account_id, finished, **numbers)
            return finished

        return self._write(finish)

    def known_until(self, entity: Entity) -> datetime | None:
        with self._database.autocommit() as connection:
            return sweeps.known_until(connection, entity, self.account_id)

    def advance_known_until(self, entity: Entity, until: datetime) -> None:
        if self.dry_run:
            return
        self._write(lambda connection: sweeps.advance_known_until(connection, entity, self.account_id, until))

    def live_threads(self) -> int:
        with self._database.autocommit() as connection:
            return threads.live_threads(connection, self.account_id)

    def recent_enquiries(self) -> list[int]:
        with self._database.autocommit() as connection:
            return threads.recent_enquiries(connection, self.account_id)

    def markers_of(self, reservation_ids: Collection[int]) -> dict[int, Markers]:
        with self._database.autocommit() as connection:
            return threads.markers_of(connection, self.account_id, reservation_ids)

    def conversations_to_read(
        self, *, read_before: datetime | None = None, reread_share: float = 0.0, trusts_webhooks: bool = False
    ) -> list[Unread]:
        """See `to_read` of threads.py."""
        options: dict[str, Any] = {"reread_share": reread_share, "trusts_webhooks": trusts_webhooks}
        with self._database.transaction() as connection:
            stored = threads.to_read(connection, self.account_id, read_before=read_before, **options)
            read = threads.read_markers(connection, self.account_id) if self.dry_run else {}
        would_be = (c for c in self._unwritten.values() if read_before or read.get(c.id) != c.markers)
        return list(({c.id: c for c in stored} | {c.id: c for c in would_be}).values())

    def alive_messages(self, conversation_ids: Collection[int], before: datetime) -> dict[int, set[int]]:
        with self._database.autocommit() as connection:
            return threads.alive_messages(connection, self.account_id, conversation_ids, before)

    def delete_messages_of_deleted_conversations(self) -> int:
        if self.dry_run:
            return 0
        return self._write(lambda c: sweeps.delete_messages_of_deleted_conversations(c, self.account_id))

    def apply_reads(
        self,
        rows: Iterable[Row],
        missing: Mapping[int, AbstractSet[int]],
        reads: Sequence[Read],
        *,
        asked_at: datetime,
        synced_at: datetime,
        max_share: float = DEFAULT_DELETE_SHARE,
    ) -> tuple[Counts, Marked]:
        """Merge messages, set their tombstones and mark conversations as read, in one transaction.

        `missing`: ids of deleted messages, by conversation. A conversation with messages held back is not marked.
        """
        groups = {conversation: frozenset(ids) for conversation, ids in missing.items() if ids}
        read_rows = list(rows)

        def apply(connection: Connection) -> tuple[Counts, Marked]:
            deletions = self._deletions(connection, MESSAGES, asked_at, max_share) if groups else None
            counts = merge(connection, MESSAGES, read_rows, self._owner, is_read=True, dry_run=self.dry_run)
            marked = deletions.mark(list(groups.values())) if deletions else Marked()
            if not self.dry_run:
                complete = [r for r in reads if not groups.get(r.conversation.id, frozenset()) & marked.held_back]
                threads.mark_read(connection, self.account_id, complete, synced_at)
            return counts + Counts(deleted=marked.deleted), marked

        return self._write(apply)

    def listings_to_ask(self) -> list[int]:
        """Ids of the listings whose calendar is read."""
        with self._database.transaction() as connection:
            return calendar.listings_to_ask(connection, self.account_id)

    def write_days(
        self,
        listing_id: int,
        days: Days,
        span: tuple[date, date],
        *,
        gone: Collection[date] = (),
        read_at: datetime | None,
    ) -> WrittenDays:
        """Store a listing's days, and delete those in `gone`: see `write_days` of calendar.py."""
        options: dict[str, Any] = {"gone": gone, "read_at": read_at, "dry_run": self.dry_run}
        return self._write(lambda c: calendar.write_days(c, self.account_id, listing_id, days, span, **options))

    def finance_to_read(self, most: int) -> list[int]:
        """Ids of reservations whose finance lines are not known; none in a dry run."""
        if self.dry_run:
            return []
        with self._database.autocommit() as connection:
            return finance.finance_to_read(connection, self.account_id, most)

    def apply_finance(self, answers: Mapping[int, finance.FinanceAnswer], failed: Collection[int]) -> Counts:
        """Merge finance lines that were read by id, and record for which reservations that failed."""

        def apply(connection: Connection) -> Counts:
            finance.mark_finance_tried(connection, self.account_id, failed)
            return finance.merge_finance(connection, answers, self._owner)

        return self._write(apply)

    def mark_gone(self, entity: Entity, ids: Collection[int], *, asked_at: datetime, max_share: float) -> Marked:
        """Set tombstones of single objects that two reads by id did not find."""
        if not ids:
            return Marked()
        groups = [frozenset([object_id]) for object_id in ids]
        return self._write(lambda c: self._deletions(c, entity, asked_at, max_share).mark(groups))

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` behind the fence, in one transaction; `Database.run` retries it after a conflict."""

        def fenced(connection: Connection) -> T:
            if self._owner.run_id is not None and not self.dry_run:
                require_run(driver(connection).cursor(), self._owner.run_id)
            return work(connection)

        return self._database.run(fenced)

    def _deletions(self, connection: Connection, entity: Entity, asked_at: datetime, max_share: float) -> Deletions:
        return Deletions(connection, entity, self.account_id, asked_at, max_share, dry_run=self.dry_run)


def _unread(row: Row) -> Unread:
    columns = dict(zip(CONVERSATIONS.columns, row.values, strict=True))
    return Unread(row.id, columns["message_sent_at"], columns["message_received_at"])
