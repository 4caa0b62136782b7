"""Reads and writes the rows of one account for the push journey.

Events get their new status in the transaction that applies them, so that tables and inbox never disagree.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from hostaway_pipeline.domain.clocks import Version
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.deletions import DEFAULT_DELETE_SHARE
from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES, MESSAGES, Entity, Row
from hostaway_pipeline.domain.markers import advanced_row, conversation_of
from hostaway_pipeline.domain.verdicts import StoredObject
from hostaway_pipeline.store.copy.deletions import Deletions
from hostaway_pipeline.store.copy.merge import Owner, mark_unsettled, merge
from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.inbox import EventOutcome, hold_events, record_outcomes
from hostaway_pipeline.store.schema import ENTITY_TABLES, conversations

# Seconds until an event is retried whose object may not be deleted today.
_HELD_BACK = 3600.0


@dataclass(slots=True)
class ChangeSet:
    """The changes that some events lead to. `rows` came with events, `reads` were read by id.

    `gone`: objects that two reads since `asked_at` did not find; `gone_by`: such an object by the id of the event that
    waits for its deletion; `held_back`: set by `apply`, objects that may not be deleted today, with the reason;
    `doubted`: by row, when content was received that was discarded as older by Hostaway's clock.
    """

    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in ENTITIES})
    reads: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in ENTITIES})
    doubted: dict[str, dict[int, datetime]] = field(default_factory=lambda: {name: {} for name in ENTITIES})
    gone: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in ENTITIES})
    held_back: dict[tuple[str, int], str] = field(default_factory=dict)
    gone_by: dict[int, tuple[str, int]] = field(default_factory=dict)
    asked_at: datetime | None = None  # required when `gone` is not empty
    outcomes: list[EventOutcome] = field(default_factory=list)
    held: list[int] = field(default_factory=list)  # events that wait for a read


class PushWriter:
    """Reads and writes only rows of the owner's account."""

    def __init__(self, database: Database, owner: Owner, *, max_delete_share: float = DEFAULT_DELETE_SHARE) -> None:
        self.account_id = owner.account_id
        self._max_delete_share = max_delete_share
        self._owner = owner
        self._database = database

    @property
    def trust(self) -> timedelta:
        return self._owner.trust

    def known(self, entity: Entity, ids: Collection[int]) -> dict[int, StoredObject]:
        """What is stored of these objects, for those that are stored."""
        values = {"account_id": self.account_id, "entity": entity.name, "ids": list(ids)}
        with self._database.autocommit() as connection:
            rows = driver(connection).cursor().execute(query("known_objects", entity.name), values).fetchall()
        return {row[0]: StoredObject(bytes(row[1]), Version(*row[2:5]), frozenset(row[5])) for row in rows}

    def alive(self, entity: Entity, ids: Collection[int]) -> set[int]:
        """Those of these objects that are stored and not deleted."""
        with self._database.autocommit() as connection:
            return self._alive(connection, entity, ids)

    def apply(self, changes: ChangeSet) -> dict[str, Counts]:
        """Write rows, tombstones, moved markers and the events' outcomes in one transaction; returns counts per entity.

        Sets `changes.held_back`.
        """
        counts = self._database.run(lambda connection: self._apply(connection, changes))
        return {name: count for name, count in counts.items() if count != Counts()}

    def _apply(self, connection: Connection, changes: ChangeSet) -> dict[str, Counts]:
        deletions_of = self._open_deletions(connection, changes.gone, changes.asked_at) if changes.asked_at else {}
        counts = {
            name: self._merge_events(connection, ENTITIES[name], changes.rows[name])
            + self._merge_reads(connection, ENTITIES[name], changes.reads[name])
            for name in ENTITIES
        }
        messages = changes.rows[MESSAGES.name] + changes.reads[MESSAGES.name]
        moved = self._moved_conversations(connection, messages) if messages else []
        counts[CONVERSATIONS.name] += self._merge_events(connection, CONVERSATIONS, moved)
        for name, heard_at in changes.doubted.items():
            mark_unsettled(driver(connection).cursor(), ENTITIES[name], self.account_id, heard_at)
        held_back = changes.held_back = {}
        for name, (deletions, ids) in deletions_of.items():
            marked = deletions.mark([frozenset([object_id]) for object_id in sorted(ids)])
            counts[name] += Counts(deleted=marked.deleted)
            held_back |= {(name, i): f"{name} {i} is not found, but {marked.reason}" for i in marked.held_back}
        hold_events(connection, changes.held)
        record_outcomes(
            connection, [_postpone_held_back(outcome, changes.gone_by, held_back) for outcome in changes.outcomes]
        )
        return counts

    def _open_deletions(
        self, connection: Connection, gone: Mapping[str, set[int]], asked_at: datetime
    ) -> dict[str, tuple[Deletions, set[int]]]:
        """Lock the day's budgets; returns, by entity, the deletions and the ids of live rows to delete."""
        alive = {name: self._alive(connection, ENTITIES[name], ids) for name, ids in gone.items() if ids}
        share = self._max_delete_share
        return {
            name: (Deletions(connection, ENTITIES[name], self.account_id, asked_at, share), ids)
            for name, ids in alive.items()
            if ids
        }

    def _alive(self, connection: Connection, entity: Entity, ids: Collection[int]) -> set[int]:
        table = ENTITY_TABLES[entity.name]
        chosen = (table.c.account_id == self.account_id) & table.c.id.in_(list(ids)) & table.c.deleted_at.is_(None)
        return set(connection.execute(select(table.c.id).where(chosen)).scalars())

    def _merge_events(self, connection: Connection, entity: Entity, rows: Sequence[Row]) -> Counts:
        return merge(connection, entity, rows, self._owner, is_read=False) if rows else Counts()

    def _merge_reads(self, connection: Connection, entity: Entity, rows: Sequence[Row]) -> Counts:
        return merge(connection, entity, rows, self._owner, is_read=True, confirms=True) if rows else Counts()

    def _moved_conversations(self, connection: Connection, messages: Sequence[Row]) -> list[Row]:
        """The messages' conversations, with their markers moved as Hostaway will have moved them.

        They keep their source time, so that whatever Hostaway returns of the conversation is newer.
        """
        by_conversation: dict[int, list[Row]] = {}
        for message in messages:
            if (conversation_id := conversation_of(message)) is not None:
                by_conversation.setdefault(conversation_id, []).append(message)
        moved = []
        for conversation_id, payload, source_time in self._payloads(connection, by_conversation):
            own = by_conversation[conversation_id]
            if (row := advanced_row(payload, own)) is not None:
                read_at = max((message.read_at for message in own if message.read_at), default=None)
                moved.append(replace(row, source_updated_at=source_time, read_at=read_at))
        return moved

    def _payloads(
        self, connection: Connection, ids: Mapping[int, Any]
    ) -> list[tuple[int, dict[str, Any], datetime | None]]:
        columns = (conversations.c.id, conversations.c.raw_payload, conversations.c.source_updated_at)
        chosen = (conversations.c.account_id == self.account_id) & conversations.c.id.in_(list(ids))
        rows = connection.execute(select(*columns).where(chosen, conversations.c.deleted_at.is_(None)))
        return [(row[0], row[1], row[2]) for row in rows]


def _postpone_held_back(
    outcome: EventOutcome, gone_by: Mapping[int, tuple[str, int]], held_back: Mapping[tuple[str, int], str]
) -> EventOutcome:
    """An event whose object was held back stays pending with the reason, and is no attempt."""
    reason = held_back.get(gone_by.get(outcome.id, ("", 0)))
    if reason is None:
        return outcome
    return replace(outcome, status="pending", error=reason, again_in=_HELD_BACK)
