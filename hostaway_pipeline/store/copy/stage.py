"""The second half of a merge: rows are staged with COPY, then one statement inserts and updates what differs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from hostaway_pipeline.domain.entities import MESSAGES, Entity, Row
from hostaway_pipeline.store.database import query
from hostaway_pipeline.store.schema import ENTITY_TABLES, SCHEMA

_COMMON = ("id", "raw_payload", "content_hash", "source_updated_at", "read_at", "unsettled_at")


def stage(cursor: psycopg.Cursor[Any], entity: Entity, rows: Sequence[Row], *, is_read: bool) -> None:
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
            common = (row.id, row.payload, row.content_hash, row.source_updated_at, row.read_at)
            copy.write_row((*common, _unsettled_at(entity, row, is_read=is_read), *row.values))


def merge_staged(cursor: psycopg.Cursor[Any], entity: Entity, values: Mapping[str, Any]) -> tuple[int, int]:
    """Run queries/merge.sql over the stage; returns how many rows are new, and of how many the content moved."""
    assigned = ("customer_id", "content_hash", "source_updated_at", "read_at", *entity.columns)
    statement = sql.SQL(query("merge")).format(
        table=_table(entity),
        stage=_stage_table(entity),
        columns=_identifiers(entity),
        assignments=sql.SQL(",\n").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in assigned
        ),
    )
    found = cursor.execute(statement.as_string(cursor), values).fetchone()
    assert found is not None  # noqa: S101 (an aggregate always returns one row)
    return int(found[0]), int(found[1])


def _unsettled_at(entity: Entity, row: Row, *, is_read: bool) -> datetime | None:
    """A row whose time lies ahead of ours is in doubt; so is a message that came by event, which no list confirms."""
    return row.read_at if row.is_ahead or (entity is MESSAGES and not is_read) else None


def _identifiers(entity: Entity) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, (*_COMMON, *entity.columns)))


def _table(entity: Entity) -> sql.Identifier:
    return sql.Identifier(SCHEMA, ENTITY_TABLES[entity.name].name)


def _stage_table(entity: Entity) -> sql.Identifier:
    return sql.Identifier(f"stage_{entity.name}")
