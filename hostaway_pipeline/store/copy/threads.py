"""Stores which conversations' messages were read completely, so that a killed sync resumes where it stopped."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from hostaway_pipeline.domain.markers import Markers
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
    def markers(self) -> Markers:
        return self.message_sent_at, self.message_received_at


@dataclass(frozen=True, slots=True)
class Read:
    """A complete read: the conversation as it was before, and how many messages Hostaway counted."""

    conversation: Unread
    count: int


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """Numbers of an account's messages: see message_counts.sql.

    `counted` by Hostaway and live `here`, over settled conversations; all that are `live`; `orphans` among them.
    """

    counted: int
    here: int
    live: int
    orphans: int


def to_read(
    connection: Connection,
    account_id: int,
    *,
    read_before: datetime | None,
    reread_share: float,
    trusts_webhooks: bool,
) -> list[Unread]:
    """Conversations to read: see conversations_to_read.sql.

    With `read_before`, also those last read before then; with `trusts_webhooks`, none whose newest messages are here.
    """
    values = {"account_id": account_id, "read_before": read_before, "reread_share": reread_share}
    values |= {"trusts_webhooks": trusts_webhooks}
    cursor = driver(connection).cursor()
    return [Unread(*row) for row in cursor.execute(query("conversations_to_read"), values)]


def read_markers(connection: Connection, account_id: int) -> dict[int, Markers]:
    """The markers of each conversation at its last complete read, for those that had one."""
    columns = (conversations.c.id, conversations.c.messages_read_sent_at, conversations.c.messages_read_received_at)
    chosen = (conversations.c.account_id == account_id) & conversations.c.messages_synced_at.is_not(None)
    return {row[0]: (row[1], row[2]) for row in connection.execute(select(*columns).where(chosen))}


def live_threads(connection: Connection, account_id: int) -> int:
    """How many conversations are stored and not deleted."""
    is_alive = (conversations.c.account_id == account_id) & conversations.c.deleted_at.is_(None)
    return connection.execute(select(func.count()).select_from(conversations).where(is_alive)).scalar_one()


def markers_of(connection: Connection, account_id: int, reservation_ids: Collection[int]) -> dict[int, Markers]:
    """The newest markers of these reservations' conversations, for those that have one."""
    sent, received = func.max(conversations.c.message_sent_at), func.max(conversations.c.message_received_at)
    chosen = (
        (conversations.c.account_id == account_id)
        & conversations.c.deleted_at.is_(None)
        & (conversations.c.reservation_id == func.any(list(reservation_ids)))
    )
    by_reservation = select(conversations.c.reservation_id, sent, received).where(chosen)
    rows = connection.execute(by_reservation.group_by(conversations.c.reservation_id))
    return {row[0]: (row[1], row[2]) for row in rows}


def recent_enquiries(connection: Connection, account_id: int) -> list[int]:
    """Conversations without a reservation that were active lately: see recent_enquiries.sql."""
    rows = driver(connection).cursor().execute(query("recent_enquiries"), {"account_id": account_id})
    return [row[0] for row in rows]


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


def message_counts(connection: Connection, account_id: int) -> MessageCounts:
    row = driver(connection).cursor().execute(query("message_counts"), {"account_id": account_id}).fetchone()
    assert row is not None  # noqa: S101 (an aggregate always returns one row)
    return MessageCounts(*row)
