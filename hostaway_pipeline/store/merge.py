"""The merge: rows of one entity and account into their table. The same for pull and push."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import Connection

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import Entity, Row
from hostaway_pipeline.store.database import driver, query
from hostaway_pipeline.store.tables import ENTITY_TABLES, SCHEMA

_COMMON = ("id", "raw_payload", "content_hash", "source_updated_at", "read_at")


class _Known(NamedTuple):
    content_hash: bytes
    source_updated_at: Any
    read_at: Any
    is_deleted: bool


def merge(
    connection: Connection,
    entity: Entity,
    rows: Iterable[Row],
    *,
    account_id: int,
    customer_id: UUID,
    dry_run: bool = False,
) -> Counts:
    """Merge rows in the caller's transaction; with `dry_run`, only say what would happen.

    Rows that are stored already are told by their hash and never sent: an unchanged page costs one look-up.
    """
    unique = _newest_by_id(rows)
    known = _known(connection, entity, account_id, list(unique))
    pending = [row for row in unique.values() if _would_write(row, known.get(row.id))]
    if not pending:
        inserted = updated = 0
    elif dry_run:
        inserted = sum(row.id not in known for row in pending)
        updated = sum(row.id in known and _would_move(row, known[row.id]) for row in pending)
    else:
        cursor = driver(connection).cursor()
        _stage(cursor, entity, pending)
        inserted, updated = _merge_staged(cursor, entity, account_id, customer_id)
    return Counts(len(unique), inserted, updated, len(unique) - inserted - updated)


def _newest_by_id(rows: Iterable[Row]) -> dict[int, Row]:
    """Pages overlap while rows move: of two copies of one id the newer counts, and of equals the later read."""
    unique: dict[int, Row] = {}
    for row in rows:
        earlier = unique.get(row.id)
        if earlier is None or not _is_older(row.source_updated_at, earlier.source_updated_at):
            unique[row.id] = row
    return unique


def _known(connection: Connection, entity: Entity, account_id: int, ids: list[int]) -> dict[int, _Known]:
    statement = sql.SQL(
        "SELECT id, content_hash, source_updated_at, read_at, deleted_at IS NOT NULL FROM {} "
        "WHERE account_id = %s AND id = ANY(%s)"
    ).format(_table(entity))
    cursor = driver(connection).cursor(binary=True)
    return {row[0]: _Known(*row[1:]) for row in cursor.execute(statement, (account_id, ids))}


def _would_write(row: Row, known: _Known | None) -> bool:
    if known is None:
        return True
    if known.is_deleted and _is_older(row.read_at, known.read_at):
        return False
    if _is_older(row.source_updated_at, known.source_updated_at):
        return False
    if not _is_older(known.source_updated_at, row.source_updated_at) and _is_older(row.read_at, known.read_at):
        return False
    return _would_move(row, known) or row.source_updated_at != known.source_updated_at


def _would_move(row: Row, known: _Known) -> bool:
    return row.content_hash != known.content_hash or known.is_deleted


def _is_older(incoming: Any, stored: Any) -> bool:
    return incoming is not None and stored is not None and incoming < stored


def _stage(cursor: psycopg.Cursor[Any], entity: Entity, rows: Sequence[Row]) -> None:
    """COPY into a temporary table that lives as long as the connection and empties itself at commit."""
    columns = _identifiers(entity)
    cursor.execute(
        sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA").format(
            _stage_table(entity), columns, _table(entity)
        )
    )
    cursor.execute(sql.SQL("DELETE FROM {}").format(_stage_table(entity)))  # of an earlier merge in this transaction
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(_stage_table(entity), columns)) as copy:
        for row in rows:
            copy.write_row((row.id, row.payload, row.content_hash, row.source_updated_at, row.read_at, *row.values))


def _merge_staged(cursor: psycopg.Cursor[Any], entity: Entity, account_id: int, customer_id: UUID) -> tuple[int, int]:
    assigned = ("customer_id", "content_hash", "source_updated_at", "read_at", *entity.columns)
    statement = sql.SQL(query("merge")).format(
        table=_table(entity),
        stage=_stage_table(entity),
        columns=_identifiers(entity),
        assignments=sql.SQL(",\n").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in assigned
        ),
    )
    found = cursor.execute(
        statement.as_string(cursor), {"account_id": account_id, "customer_id": customer_id}
    ).fetchone()
    assert found is not None  # noqa: S101 (an aggregate always returns one row)
    return int(found[0]), int(found[1])


def _identifiers(entity: Entity) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, (*_COMMON, *entity.columns)))


def _table(entity: Entity) -> sql.Identifier:
    return sql.Identifier(SCHEMA, ENTITY_TABLES[entity.name].name)


def _stage_table(entity: Entity) -> sql.Identifier:
    return sql.Identifier(f"stage_{entity.name}")
