"""Stores which conversations' messages were read completely, so that a killed sync resumes where it stopped."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from hostaway_pipeline.store.database import driver, query
from hostaway_pipeline.store.schema import conversations, messages


@dataclass(frozen=True, slots=True)
class Unread:
    """A conversation to read, with its current markers."""

    id: int
    message_sent_at: datetime | None
    message_received_at: datetime | None
    is_reread: bool = False  # no marker moved: it is part of the daily share

    @property
    def markers(self) -> tuple[datetime | None, datetime | None]:
        return self.message_sent_at, self.message_received_at


@dataclass(frozen=True, slots=True)
class Read:
    """A complete read: the conversation as it was before, and how many messages Hostaway counted."""

    conversation: Unread
    count: int


def to_read(
    connection: Connection, account_id: int, *, read_before: datetime | None, reread_share: float
) -> list[Unread]:
    """Conversations to read. With `read_before`, also those last read before then: see conversations_to_read.sql."""
    values = {"account_id": account_id, "read_before": read_before, "reread_share": reread_share}
    cursor = driver(connection).cursor()
    return [Unread(*row) for row in cursor.execute(query("conversations_to_read"), values)]


def read_markers(connection: Connection, account_id: int) -> dict[int, tuple[datetime | None, datetime | None]]:
    """The markers of each conversation at its last complete read, for those that had one."""
    columns = (conversations.c.id, conversations.c.messages_read_sent_at, conversations.c.messages_read_received_at)
    chosen = (conversations.c.account_id == account_id) & conversations.c.messages_synced_at.is_not(None)
    return {row[0]: (row[1], row[2]) for row in connection.execute(select(*columns).where(chosen))}


def mark_read(connection: Connection, account_id: int, reads: Sequence[Read], synced_at: datetime) -> None:
    values = {
        "account_id": account_id,
        "ids": [read.conversation.id for read in reads],
        "synced_at": synced_at,
        "sent_at": [read.conversation.message_sent_at for read in reads],
        "received_at": [read.conversation.message_received_at for read in reads],
        "counts": [read.count for read in reads],
        "is_reread": [read.conversation.is_reread for read in reads],
    }
    driver(connection).cursor().execute(query("mark_read"), values)


def alive_messages(
    connection: Connection, account_id: int, ids: Collection[int], before: datetime
) -> dict[int, set[int]]:
    """Ids of the live messages of these conversations, by conversation, without those that came after `before`."""
    columns = (messages.c.conversation_id, messages.c.id)
    chosen = (
        (messages.c.account_id == account_id)
        & (messages.c.conversation_id == func.any(list(ids)))
        & (func.coalesce(messages.c.read_at, messages.c.created_at) <= before)
    )
    alive: dict[int, set[int]] = defaultdict(set)
    for row in connection.execute(select(*columns).where(chosen, messages.c.deleted_at.is_(None))):
        alive[row.conversation_id].add(row.id)
    return alive


def message_counts(connection: Connection, account_id: int) -> tuple[int, int]:
    """Messages that Hostaway counted, and live messages here, over settled conversations: see message_counts.sql."""
    row = driver(connection).cursor().execute(query("message_counts"), {"account_id": account_id}).fetchone()
    assert row is not None  # noqa: S101 (an aggregate always returns one row)
    return int(row[0]), int(row[1])
