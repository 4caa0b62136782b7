"""What a new message says about its conversation, until Hostaway is asked again."""

from collections.abc import Iterable, Mapping
from typing import Any

from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES, Row
from hostaway_pipeline.domain.payloads import Payload
from hostaway_pipeline.domain.values import as_instant

_INCOMING = tuple(MESSAGES.columns).index("is_incoming")
_CONVERSATION = tuple(MESSAGES.columns).index("conversation_id")
_SENT = tuple(MESSAGES.columns).index("sent_at")


def conversation_of(message: Row) -> int | None:
    found: int | None = message.values[_CONVERSATION]
    return found


def advance_markers(conversation: Payload, messages: Iterable[Row]) -> Mapping[str, Any] | None:
    """The conversation with its markers at the newest of its messages, or None when none of them is newer."""
    changes: dict[str, str] = {}
    for message in messages:
        key = "messageReceivedOn" if message.values[_INCOMING] else "messageSentOn"
        sent_at, marker = message.values[_SENT], as_instant(changes.get(key, conversation.get(key)))
        if sent_at is not None and (marker is None or sent_at > marker):
            changes[key] = f"{sent_at:%Y-%m-%d %H:%M:%S}"
    return {**conversation, **changes} if changes else None


def advanced_row(payload: Payload, messages: Iterable[Row]) -> Row | None:
    """That conversation, ready to be merged; None where nothing moves."""
    changed = advance_markers(payload, messages)
    return None if changed is None else CONVERSATIONS.row(changed)
