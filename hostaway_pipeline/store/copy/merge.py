"""The merge: rows of one entity and account into their table. The same for pull and push.

Which content is newer is decided in domain/clocks.py; queries/merge.sql states it again for the moment of writing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import Connection

from hostaway_pipeline.domain.clocks import CLOCK_TRUST, Version, is_doubtful, is_later, is_newer
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import Entity, Row
from hostaway_pipeline.domain.payloads import is_same_content, lacks_keys
from hostaway_pipeline.store.copy.stage import merge_staged, stage
from hostaway_pipeline.store.database import driver, query
from hostaway_pipeline.store.schema import ENTITY_TABLES, SCHEMA
from hostaway_pipeline.store.sync_runs import require_run


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose rows are merged, how far Hostaway's clock is trusted with them, and the run that must be running."""

    account_id: int
    customer_id: UUID
    trust: timedelta = CLOCK_TRUST
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    content_hash: bytes
    version: Version
    unsettled_at: datetime | None


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
    """Merge rows in the caller's transaction; with `dry_run`, only say what would happen.

    `is_read`: they were asked for, and are not events, which may come late. `confirms`: what is found unchanged is
    remembered as known at that moment; a sweep remembers it for all rows at once. Rows that are stored already are told
    by their hash and never sent: an unchanged page costs one look-up.
    """
    cursor = driver(connection).cursor()
    merging = _Merging(cursor, entity, owner, is_read=is_read)
    unique = merging.newest_by_id(rows)
    stored = merging.look_up(unique)
    fresh = [row for row in unique.values() if row.id not in stored or merging.is_newer(row, stored[row.id])]
    pending = merging.completed([row for row in fresh if merging.would_write(row, stored.get(row.id))], stored)
    pending = [row for row in pending if merging.would_write(row, stored.get(row.id))]
    if dry_run:
        inserted = sum(row.id not in stored for row in pending)
        updated = sum(row.id in stored and _would_move(row, stored[row.id]) for row in pending)
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
    """Other content of these rows, heard of at that moment, was discarded as older."""
    if heard_at:
        ids = sorted(heard_at)
        values = {"account_id": account_id, "ids": ids, "heard_at": [heard_at[one] for one in ids]}
        _execute(cursor, "mark_unsettled", entity, values)


class _Merging:
    """The steps of one merge."""

    def __init__(self, cursor: psycopg.Cursor[Any], entity: Entity, owner: Owner, *, is_read: bool) -> None:
        self._cursor = cursor
        self._entity = entity
        self._owner = owner
        self._is_read = is_read

    def newest_by_id(self, rows: Iterable[Row]) -> dict[int, Row]:
        """Pages overlap while rows move: of two copies of one id the newer counts, and of equals the later one."""
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
        found = _execute(cursor, "stored_versions", self._entity, values)
        return {row[0]: _Stored(row[1], Version(row[2], row[3], row[4]), row[5]) for row in found}

    def is_newer(self, row: Row, stored: _Stored) -> bool:
        return is_newer(row.version, stored.version, is_read=self._is_read, trust=self._owner.trust)

    def would_write(self, row: Row, stored: _Stored | None) -> bool:
        return (
            stored is None
            or _would_move(row, stored)
            or row.source_updated_at != stored.version.source_updated_at
            or self._settles(row, stored)
        )

    def completed(self, rows: list[Row], stored: Mapping[int, _Stored]) -> list[Row]:
        """Answers that lack keys which are stored keep them: an absent key is no change. Events carry every key."""
        known = [
            row
            for row in rows
            if self._is_read and row.id in stored and lacks_keys(row.content_hash, stored[row.id].content_hash)
        ]
        if not known:
            return rows
        values = {
            "account_id": self._owner.account_id,
            "ids": [row.id for row in known],
            "keys": list(frozenset.intersection(*(row.keys for row in known))),
        }
        absent = dict(_execute(self._cursor, "absent_keys", self._entity, values).fetchall())
        return [self._entity.completed(row, absent[row.id]) if row.id in absent else row for row in rows]

    def write(self, rows: list[Row]) -> tuple[int, int]:
        """How many were inserted, and of how many the content moved."""
        if not rows:
            return 0, 0
        if self._owner.run_id is not None:
            require_run(self._cursor, self._owner.run_id)
        stage(self._cursor, self._entity, rows, is_read=self._is_read)
        values = {
            "account_id": self._owner.account_id,
            "customer_id": self._owner.customer_id,
            "entity": self._entity.name,
            "is_read": self._is_read,
            "trust": self._owner.trust,
        }
        return merge_staged(self._cursor, self._entity, values)

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
            _execute(self._cursor, "confirm_rows", self._entity, values)

    def _settles(self, row: Row, stored: _Stored) -> bool:
        """A time ahead of ours leaves the row in doubt, however often it is read."""
        is_in_doubt = stored.unsettled_at is not None and not is_later(stored.unsettled_at, row.read_at)
        return self._is_read and is_in_doubt and not row.is_ahead


def _would_move(row: Row, stored: _Stored) -> bool:
    return stored.version.is_deleted or not is_same_content(row.content_hash, stored.content_hash)


def _execute(cursor: psycopg.Cursor[Any], name: str, entity: Entity, values: Mapping[str, Any]) -> psycopg.Cursor[Any]:
    table = sql.Identifier(SCHEMA, ENTITY_TABLES[entity.name].name)
    return cursor.execute(sql.SQL(query(name)).format(table=table).as_string(cursor), values)
