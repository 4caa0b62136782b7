"""Reads the markers of conversations, and advances those of a stored one when a message arrives, until its next read.

A marker is the date of the newest sent or received message, as Hostaway's list of conversations gives it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES, Row
from hostaway_pipeline.domain.payloads import Payload
from hostaway_pipeline.domain.values import as_instant, newest

# The dates of the newest sent and the newest received message; None: there is none.
Markers = tuple[datetime | None, datetime | None]

_INCOMING = tuple(MESSAGES.columns).index("is_incoming")
_CONVERSATION = tuple(MESSAGES.columns).index("conversation_id")
_SENT = tuple(MESSAGES.columns).index("sent_at")
_MARKERS = [tuple(CONVERSATIONS.columns).index(name) for name in ("message_sent_at", "message_received_at")]


def newest_markers(conversations: Sequence[Row]) -> Markers:
    """The newest markers of a reservation's conversations."""
    sent, received = ([row.values[place] for row in conversations] for place in _MARKERS)
    return newest(*sent), newest(*received)


def conversation_of(message: Row) -> int | None:
    conversation_id: int | None = message.values[_CONVERSATION]
    return conversation_id


def advance_markers(conversation: Payload, messages: Iterable[Row]) -> Mapping[str, Any] | None:
    """The payload with its markers at the newest of these messages; None when none is newer than its marker."""
    changes: dict[str, str] = {}
    for message in messages:
        key = "messageReceivedOn" if message.values[_INCOMING] else "messageSentOn"
        sent_at, marker = message.values[_SENT], as_instant(changes.get(key, conversation.get(key)))
        if sent_at is not None and (marker is None or sent_at > marker):
            changes[key] = f"{sent_at:%Y-%m-%d %H:%M:%S}"
    return {**conversation, **changes} if changes else None


def advanced_row(payload: Payload, messages: Iterable[Row]) -> Row | None:
    """`advance_markers` as a row to be merged; None where no marker moves."""
    advanced = advance_markers(payload, messages)
    return None if advanced is None else CONVERSATIONS.row(advanced)
