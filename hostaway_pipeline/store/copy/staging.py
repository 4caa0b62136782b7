"""Stages rows with COPY and runs queries/merge.sql over them; the columns that only some entities have."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from hostaway_pipeline.domain.entities import ENTITIES, LISTINGS, MESSAGES, RESERVATIONS, Entity, Row
from hostaway_pipeline.store.database import query
from hostaway_pipeline.store.schema import ENTITY_TABLES, SCHEMA

_STAGED = ("id", "raw_payload", "content_hash", "source_updated_at", "read_at", "unsettled_at")
_ASSIGNED = ("customer_id", "content_hash", "source_updated_at", "read_at")

# Columns that are staged beside those of the payload.
_EXTRA: Mapping[str, tuple[str, ...]] = {RESERVATIONS.name: ("finance_read_at", "guest_id")}
# The condition under which an unchanged content is written all the same: it shows that the finance lines, of which
# that was not known, are those of this content.
_CONFIRMED = {RESERVATIONS.name: "stored.finance_read_at IS NULL AND excluded.finance_read_at IS NOT NULL"}
_IS_SAME = "stored.content_hash = excluded.content_hash"
_DERIVED = {
    LISTINGS.name: {
        "archived_at": "CASE WHEN excluded.special_status IS DISTINCT FROM 'archived' THEN NULL "
        "WHEN stored.special_status = 'archived' THEN stored.archived_at ELSE coalesce(excluded.read_at, now()) END"
    },
    RESERVATIONS.name: {
        "guest_id": f"CASE WHEN {_IS_SAME} THEN stored.guest_id ELSE excluded.guest_id END",
        "finance_read_at": f"CASE WHEN {_IS_SAME} THEN coalesce(stored.finance_read_at, excluded.finance_read_at) "
        "ELSE excluded.finance_read_at END",
    },
}


class Written(NamedTuple):
    """Ids of rows that were inserted, and of others whose content changed."""

    new: list[int]
    changed: list[int]


def stage(
    cursor: psycopg.Cursor[Any],
    entity: Entity,
    rows: Sequence[Row],
    *,
    is_read: bool,
    guests: Mapping[int, UUID] = MappingProxyType({}),
) -> None:
    """COPY rows into a temporary table that lives as long as the connection and is emptied at commit.

    `guests`: by reservation.
    """
    create, empty, copy_in = _stage_statements(entity.name)
    cursor.execute(create)
    cursor.execute(empty)  # of an earlier merge in this transaction
    with cursor.copy(copy_in) as copy:
        for row in rows:
            # A row whose time lies ahead of ours is in doubt; so is a message from an event, which no list confirms.
            is_in_doubt = row.is_ahead or (entity is MESSAGES and not is_read)
            staged = (row.id, row.payload, row.content_hash, row.source_updated_at, row.read_at)
            extra = (row.finance_read_at, guests.get(row.id)) if entity is RESERVATIONS else ()
            copy.write_row((*staged, row.read_at if is_in_doubt else None, *row.values, *extra))


def merge_staged(
    cursor: psycopg.Cursor[Any], entity: Entity, account_id: int, customer_id: UUID, trust: timedelta, *, is_read: bool
) -> Written:
    values = {"account_id": account_id, "customer_id": customer_id, "trust": trust}
    values |= {"entity": entity.name, "is_read": is_read}
    written = cursor.execute(_merge_statement(entity.name), values).fetchone()
    assert written is not None  # noqa: S101 (an aggregate always returns one row)
    return Written(written[0] or [], written[1] or [])


@cache
def stored_versions(entity: str) -> str:
    unknown = "finance_read_at IS NULL" if entity == RESERVATIONS.name else "FALSE"
    return query("stored_versions").format(table=ENTITY_TABLES[entity], is_finance_unknown=unknown)


@cache
def _merge_statement(name: str) -> str:
    entity = ENTITIES[name]
    kept = f"{{0}} = CASE WHEN {_IS_SAME} THEN stored.{{0}} ELSE excluded.{{0}} END"
    assignments = [
        *(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in _ASSIGNED),
        *(sql.SQL(kept).format(sql.Identifier(name)) for name in entity.columns),
        *(sql.SQL(f"{name} = {value}") for name, value in _DERIVED.get(entity.name, {}).items()),
    ]
    return (
        sql.SQL(query("merge"))
        .format(
            table=_table(entity),
            stage=_stage_table(entity),
            columns=_columns(entity),
            assignments=sql.SQL(",\n").join(assignments),
            is_confirmed=sql.SQL(_CONFIRMED.get(entity.name, "FALSE")),
        )
        .as_string()
    )


@cache
def _stage_statements(name: str) -> tuple[str, str, str]:
    entity = ENTITIES[name]
    parts = {"stage": _stage_table(entity), "columns": _columns(entity), "table": _table(entity)}
    create = (
        "CREATE TEMP TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS AS SELECT {columns} FROM {table} WITH NO DATA"
    )
    statements = (create, "DELETE FROM {stage}", "COPY {stage} ({columns}) FROM STDIN")
    created, emptied, copied = (sql.SQL(statement).format(**parts).as_string() for statement in statements)
    return created, emptied, copied


def _columns(entity: Entity) -> sql.Composed:
    names = (*_STAGED, *entity.columns, *_EXTRA.get(entity.name, ()))
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _table(entity: Entity) -> sql.Identifier:
    return sql.Identifier(SCHEMA, ENTITY_TABLES[entity.name].name)


def _stage_table(entity: Entity) -> sql.Identifier:
    return sql.Identifier(f"stage_{entity.name}")
