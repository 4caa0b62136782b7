"""Merges rows of one entity and account into their table; pull and push use the same merge.

domain/clocks.py decides which content is newer. queries/merge.sql states `is_newer` and `_Merging.would_write` again,
because a row may change between the look-up and the write; tests/integration/store/test_merge_agrees_with_clocks.py
holds them together.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Connection

from hostaway_pipeline.domain.clocks import CLOCK_TRUST, Version, is_doubtful, is_later, is_newer
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import RESERVATIONS, Entity, Row
from hostaway_pipeline.domain.erasure import erased_row
from hostaway_pipeline.domain.findings import findings, unreadable_findings
from hostaway_pipeline.domain.payloads import is_same_content, lacks_keys
from hostaway_pipeline.store.copy.findings import record_findings
from hostaway_pipeline.store.copy.reservations import ReservationMerge
from hostaway_pipeline.store.copy.staging import merge_staged, stage, stored_versions
from hostaway_pipeline.store.copy.suppression import without_erased_guests
from hostaway_pipeline.store.database import driver, query
from hostaway_pipeline.store.suppression import Suppression
from hostaway_pipeline.store.sync_runs import require_run


@dataclass(frozen=True, slots=True)
class Owner:
    """The account whose rows are merged, how far Hostaway's clock is trusted, and the sync run that must be running.

    `suppression`: the list of erased guests; only tests do without.
    """

    account_id: int
    customer_id: UUID
    trust: timedelta = CLOCK_TRUST
    run_id: int | None = None
    suppression: Suppression | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    content_hash: bytes
    version: Version
    unsettled_at: datetime | None
    is_finance_unknown: bool


def merge(
    connection: Connection,
    entity: Entity,
    rows: Iterable[Row],
    owner: Owner,
    *,
    is_read: bool,
    confirms: bool = False,
    dry_run: bool = False,
) -> Counts:
    """Merge rows in the caller's transaction; with `dry_run`, only count what would change.

    `is_read`: the rows were requested; events are not, and may come late. `confirms`: also record when unchanged rows
    were read; a sweep records that once for all its rows. Unchanged rows are recognised by their hash and not sent to
    Postgres: an unchanged page costs one look-up.
    """
    cursor, theirs = driver(connection).cursor(), set[int]()
    if owner.suppression is not None:
        erasing = (cursor, entity, rows, owner.account_id, owner.suppression)
        rows, theirs = without_erased_guests(*erasing, dry_run=dry_run)
    merging = _Merging(cursor, entity, owner, is_read=is_read)
    unique = merging.newest_by_id(rows)
    stored = merging.look_up(unique)
    fresh = [row for row in unique.values() if row.id not in stored or merging.is_newer(row, stored[row.id])]
    pending = merging.complete([row for row in fresh if merging.would_write(row, stored.get(row.id))], stored)
    if theirs:  # what they were completed with may name the guest
        pending = [erased_row(entity, row) if row.id in theirs else row for row in pending]
    pending = [row for row in pending if merging.would_write(row, stored.get(row.id))]
    if dry_run:
        inserted = sum(row.id not in stored for row in pending)
        updated = sum(row.id in stored and _is_change(row, stored[row.id]) for row in pending)
    else:
        inserted, updated = merging.write(pending)
        merging.mark_unsettled(unique.values(), stored)
        if confirms:
            written = {row.id for row in pending}
            merging.confirm(row for row in fresh if row.id not in written)
    return Counts(len(unique), inserted, updated, len(unique) - inserted - updated)


def mark_unsettled(
    cursor: psycopg.Cursor[Any], entity: Entity, account_id: int, heard_at: Mapping[int, datetime]
) -> None:
    """Mark rows as in doubt: at `heard_at`, by id, other content came that was discarded as older."""
    if heard_at:
        ids = sorted(heard_at)
        values = {"account_id": account_id, "ids": ids, "heard_at": [heard_at[row_id] for row_id in ids]}
        cursor.execute(query("mark_unsettled", entity.name), values)


class _Merging:
    """The steps of one merge."""

    def __init__(self, cursor: psycopg.Cursor[Any], entity: Entity, owner: Owner, *, is_read: bool) -> None:
        self._cursor = cursor
        self._entity = entity
        self._owner = owner
        self._is_read = is_read

    def newest_by_id(self, rows: Iterable[Row]) -> dict[int, Row]:
        """One row per id, since pages overlap while rows move: the newer of two copies, the later one of equals."""
        unique: dict[int, Row] = {}
        for row in rows:
            earlier = unique.get(row.id)
            if earlier is None or is_newer(
                row.version, earlier.version, is_read=self._is_read, trust=self._owner.trust
            ):
                unique[row.id] = row
        return unique

    def look_up(self, ids: Collection[int]) -> dict[int, _Stored]:
        cursor = self._cursor.connection.cursor(binary=True)
        values = {"account_id": self._owner.account_id, "entity": self._entity.name, "ids": list(ids)}
        rows = cursor.execute(stored_versions(self._entity.name), values)
        return {row[0]: _Stored(row[1], Version(row[2], row[3], row[4]), row[5], row[6]) for row in rows}

    def is_newer(self, row: Row, stored: _Stored) -> bool:
        return is_newer(row.version, stored.version, is_read=self._is_read, trust=self._owner.trust)

    def would_write(self, row: Row, stored: _Stored | None) -> bool:
        """Whether a row that is newer changes anything. queries/merge.sql repeats this for what is stored by then."""
        return (
            stored is None
            or _is_change(row, stored)
            or row.source_updated_at != stored.version.source_updated_at
            or self._settles(row, stored)
        )

    def _settles(self, row: Row, stored: _Stored) -> bool:
        """Whether a read ends the stored row's doubt. A time that lies ahead of ours never does."""
        is_in_doubt = stored.unsettled_at is not None and not is_later(stored.unsettled_at, row.read_at)
        return self._is_read and is_in_doubt and not row.is_ahead

    def complete(self, rows: list[Row], stored: Mapping[int, _Stored]) -> list[Row]:
        """Add stored keys that an answer lacks: an absent key is no change. Events carry every key."""
        partial = [
            row
            for row in rows
            if self._is_read and row.id in stored and lacks_keys(row.content_hash, stored[row.id].content_hash)
        ]
        if not partial:
            return rows
        values = {
            "account_id": self._owner.account_id,
            "ids": [row.id for row in partial],
            "keys": list(frozenset.intersection(*(row.keys for row in partial))),
        }
        absent = dict(self._cursor.execute(query("absent_keys", self._entity.name), values).fetchall())
        return [self._entity.complete(row, absent[row.id]) if row.id in absent else row for row in rows]

    def write(self, rows: list[Row]) -> tuple[int, int]:
        """Stage and merge rows; returns how many were inserted, and how many others changed their content."""
        if not rows:
            return 0, 0
        cursor, entity, owner = self._cursor, self._entity, self._owner
        if owner.run_id is not None:
            require_run(cursor, owner.run_id)
        reservations = ReservationMerge(cursor, owner.account_id, rows) if entity is RESERVATIONS else None
        stage(cursor, entity, rows, is_read=self._is_read, guests=reservations.guests if reservations else {})
        written = merge_staged(cursor, entity, owner.account_id, owner.customer_id, owner.trust, is_read=self._is_read)
        ids = {*written.new, *written.changed}
        moved = [row for row in rows if row.id in ids]
        found = findings(entity, moved)
        if reservations is not None:
            for lines in reservations.store_lines(moved, written.changed):
                found += unreadable_findings(lines.unreadable)
        record_findings(cursor, entity, owner.account_id, found)
        return len(written.new), len(written.changed)

    def mark_unsettled(self, rows: Iterable[Row], stored: Mapping[int, _Stored]) -> None:
        doubtful = {
            row.id: row.read_at
            for row in rows
            if row.read_at is not None
            and (kept := stored.get(row.id)) is not None
            and not self.is_newer(row, kept)
            and is_doubtful(row.version, kept.version)
            and not is_same_content(row.content_hash, kept.content_hash)
        }
        mark_unsettled(self._cursor, self._entity, self._owner.account_id, doubtful)

    def confirm(self, rows: Iterable[Row]) -> None:
        read = {row.id: row.read_at for row in rows if row.read_at is not None}
        if read:
            values = {"account_id": self._owner.account_id, "ids": list(read), "read_at": list(read.values())}
            self._cursor.execute(query("confirm_rows", self._entity.name), values)


def _is_change(row: Row, stored: _Stored) -> bool:
    """Whether the stored row gets other content, or what is known of its finance lines changes."""
    is_confirmed = row.finance_read_at is not None and stored.is_finance_unknown
    return stored.version.is_deleted or is_confirmed or not is_same_content(row.content_hash, stored.content_hash)
