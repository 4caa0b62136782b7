"""What the push journey reads and writes of one account's rows: events settled in the transaction that applies them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from sqlalchemy import Connection, select

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES, MESSAGES, Entity, Row
from hostaway_pipeline.domain.markers import conversation_of, moved_row
from hostaway_pipeline.domain.settling import Known
from hostaway_pipeline.store import sweeps
from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.inbox import EventOutcome, settle_events
from hostaway_pipeline.store.merge import merge
from hostaway_pipeline.store.tables import ENTITY_TABLES, SCHEMA, conversations


@dataclass(slots=True)
class Changes:
    """What some events come to. `gone`: objects that Hostaway no longer had when it was asked at `asked_at`."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in ENTITIES})
    gone: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in ENTITIES})
    asked_at: datetime | None = None
    outcomes: list[EventOutcome] = field(default_factory=list)


class PushTables:
    """Rows are keyed by this account: no event of another one can touch them."""

    def __init__(self, database: Database, account_id: int, customer_id: UUID) -> None:
        self.account_id = account_id
        self._customer_id = customer_id
        self._database = database

    def database_time(self) -> datetime:
        with self._database.transaction() as connection:
            return sweeps.database_time(connection)

    def known(self, entity: Entity, ids: Collection[int]) -> dict[int, Known]:
        """What is stored of these objects; only of those that are."""
        table = sql.Identifier(SCHEMA, ENTITY_TABLES[entity.name].name)
        values = {"account_id": self.account_id, "ids": list(ids)}
        with self._database.transaction() as connection:
            cursor = driver(connection).cursor()
            statement = sql.SQL(query("known_objects")).format(table=table).as_string(cursor)
            rows = cursor.execute(statement, values).fetchall()
        return {row[0]: Known(bytes(row[1]), row[2], row[3], frozenset(row[4])) for row in rows}

    def alive(self, entity: Entity, ids: Collection[int]) -> set[int]:
        """Those of these objects that are here and not deleted."""
        table = ENTITY_TABLES[entity.name]
        chosen = (table.c.account_id == self.account_id) & table.c.id.in_(list(ids)) & table.c.deleted_at.is_(None)
        with self._database.transaction() as connection:
            return set(connection.execute(select(table.c.id).where(chosen)).scalars())

    def apply(self, changes: Changes) -> dict[str, Counts]:
        """Rows, tombstones, the markers that follow from messages, and the events' ends: all of it or nothing."""
        with self._database.transaction() as connection:
            counts = {
                name: self._merge(connection, ENTITIES[name], rows) for name, rows in changes.rows.items() if rows
            }
            if changes.rows[MESSAGES.name]:
                moved = self._moved_conversations(connection, changes.rows[MESSAGES.name])
                counts[CONVERSATIONS.name] = counts.get(CONVERSATIONS.name, Counts()) + self._merge(
                    connection, CONVERSATIONS, moved
                )
            for name, ids in changes.gone.items():
                if ids and changes.asked_at:
                    deleted = sweeps.mark_deleted(connection, ENTITIES[name], self.account_id, ids, changes.asked_at)
                    counts[name] = counts.get(name, Counts()) + Counts(deleted=deleted)
            settle_events(connection, changes.outcomes)
        return {name: count for name, count in counts.items() if count != Counts()}

    def _merge(self, connection: Connection, entity: Entity, rows: Iterable[Row]) -> Counts:
        return merge(connection, entity, rows, account_id=self.account_id, customer_id=self._customer_id)

    def _moved_conversations(self, connection: Connection, messages: Sequence[Row]) -> list[Row]:
        """The messages' conversations with their markers moved as Hostaway will have moved them.

        They keep their source time: as soon as Hostaway itself tells of the conversation, that wins.
        """
        by_conversation: dict[int, list[Row]] = {}
        for message in messages:
            if (conversation_id := conversation_of(message)) is not None:
                by_conversation.setdefault(conversation_id, []).append(message)
        moved = []
        for conversation_id, payload, said_at in self._payloads(connection, by_conversation):
            own = by_conversation[conversation_id]
            if (row := moved_row(payload, own)) is not None:
                read_at = max((message.read_at for message in own if message.read_at), default=None)
                moved.append(replace(row, source_updated_at=said_at, read_at=read_at))
        return moved

    def _payloads(
        self, connection: Connection, ids: Mapping[int, Any]
    ) -> list[tuple[int, dict[str, Any], datetime | None]]:
        columns = (conversations.c.id, conversations.c.raw_payload, conversations.c.source_updated_at)
        chosen = (conversations.c.account_id == self.account_id) & conversations.c.id.in_(list(ids))
        found = connection.execute(select(*columns).where(chosen, conversations.c.deleted_at.is_(None)))
        return [(row[0], row[1], row[2]) for row in found]
