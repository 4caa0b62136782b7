"""Sets tombstones, and stores the record of each sweep: how complete it was and what it proved."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from hostaway_pipeline.domain.entities import Entity
from hostaway_pipeline.store.database import driver, query
from hostaway_pipeline.store.schema import ENTITY_TABLES, conversations, messages, sweeps


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """How one sweep of one entity ended. `reason` is set when it is incomplete or rows were held back."""

    entity: str
    started_at: datetime
    is_complete: bool
    server_count: int | None
    seen_count: int
    held_back: int
    reason: str | None
    known_until: datetime | None = None  # Hostaway's newest change among the rows that it saw
    proven_at: datetime | None = None  # when its last pass began, if that pass was complete


def alive_ids(connection: Connection, entity: Entity, account_id: int) -> set[int]:
    table = ENTITY_TABLES[entity.name]
    is_alive = (table.c.account_id == account_id) & table.c.deleted_at.is_(None)
    return set(connection.execute(select(table.c.id).where(is_alive)).scalars())


def mark_deleted(
    connection: Connection, entity: Entity, account_id: int, ids: Collection[int], asked_at: datetime
) -> int:
    """Set tombstones; returns how many rows were alive until now.

    `asked_at`: when the request was made that did not return these rows. Rows that were read or received since then, or
    that a complete sweep has seen since then, stay alive. A conversation that comes back is read again.
    """
    if not ids:
        return 0
    table = ENTITY_TABLES[entity.name]
    values: dict[str, Any] = {
        "deleted_at": func.now(),
        "updated_at": func.now(),
        "read_at": asked_at,
        "unsettled_at": None,
    }
    if table is conversations:
        values["messages_synced_at"] = None
    chosen = (table.c.account_id == account_id) & (table.c.id == func.any(list(ids))) & table.c.deleted_at.is_(None)
    proven_at = (
        select(sweeps.c.proven_at)
        .where(sweeps.c.account_id == account_id, sweeps.c.entity == entity.name)
        .scalar_subquery()
    )
    is_older = (func.greatest(table.c.read_at, proven_at) <= asked_at).is_not(False)
    return connection.execute(update(table).where(chosen, is_older).values(values)).rowcount


def delete_messages_of_deleted_conversations(connection: Connection, account_id: int) -> int:
    is_left_behind = (
        (messages.c.account_id == account_id)
        & messages.c.deleted_at.is_(None)
        & (conversations.c.account_id == messages.c.account_id)
        & (conversations.c.id == messages.c.conversation_id)
        & conversations.c.deleted_at.is_not(None)
    )
    values = {"deleted_at": func.now(), "updated_at": func.now()}
    return connection.execute(update(messages).where(is_left_behind).values(values)).rowcount


def known_until(connection: Connection, entity: Entity, account_id: int) -> datetime | None:
    """The time, by Hostaway's clock, up to which the last complete read saw every change; None before the first."""
    chosen = (sweeps.c.account_id == account_id) & (sweeps.c.entity == entity.name) & sweeps.c.is_complete
    return connection.execute(select(sweeps.c.known_until).where(chosen)).scalar_one_or_none()


def advance_known_until(connection: Connection, entity: Entity, account_id: int, until: datetime) -> None:
    chosen = (sweeps.c.account_id == account_id) & (sweeps.c.entity == entity.name)
    newer = func.greatest(sweeps.c.known_until, until)
    connection.execute(update(sweeps).where(chosen).values(known_until=newer))


def live_rows(connection: Connection, account_id: int, record: SweepRecord, seen: AbstractSet[int]) -> int:
    """The number of rows in the table to compare the sweep's count with."""
    values = {"account_id": account_id, "seen": list(seen), "started_at": record.started_at}
    row = driver(connection).cursor().execute(query("live_rows", record.entity), values).fetchone()
    assert row is not None  # noqa: S101 (an aggregate always returns one row)
    return int(row[0])


def record_sweep(
    connection: Connection, account_id: int, record: SweepRecord, *, table_count: int, orphan_count: int | None = None
) -> None:
    values = {**asdict(record), "account_id": account_id, "table_count": table_count, "orphan_count": orphan_count}
    driver(connection).cursor().execute(query("record_sweep"), values)
