"""Looks for a message in its conversation at Hostaway after an attempt whose outcome is unknown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import ListRead, messages_of, messages_path
from hostaway_pipeline.domain.sweeps import Reading, Tally
from hostaway_pipeline.domain.texts import is_same_text
from hostaway_pipeline.domain.values import as_bool, as_instant, as_int
from hostaway_pipeline.errors import GarbledBody, TransientApiError
from hostaway_pipeline.store.outbox import OutboundMessage

# Seconds after which a request has ended, one way or the other, in the process that made it.
MAX_REQUEST_SECONDS = 30.0
_LAST = datetime.max.replace(tzinfo=UTC)


def read_conversation(client: HostawayClient, conversation_id: int) -> dict[int, ApiObject]:
    """All messages of the conversation by id, scheduled ones included.

    Raises any ApiError; GarbledBody also when the list and its count disagree, as an incomplete list proves nothing.
    """
    read = messages_of(conversation_id, with_scheduled=True)
    reading, messages = Reading(), dict[int, ApiObject]()
    while not reading.passes or not reading.is_done:
        reading.passes.append(_one_pass(client, read, messages))
    if not reading.is_complete and not reading.shows_all:
        raise GarbledBody(f"{read.path}: {reading.disagreement}")
    return messages


def _one_pass(client: HostawayClient, read: ListRead, messages: dict[int, ApiObject]) -> Tally:
    tally = Tally()
    for page in client.pages(read):
        asked_at = page.read_at or datetime.now(UTC)
        shown = {key: ApiObject(row, asked_at) for row in page.rows if (key := as_int(row.get("id"))) is not None}
        tally.add(shown.keys(), page.count, is_empty=not page.rows)
        messages |= shown
        if tally.is_complete:
            break
    return tally


def matching_message(
    held: Mapping[int, ApiObject], message: OutboundMessage, others: Sequence[OutboundMessage]
) -> tuple[int, ApiObject] | None:
    """The id and object, among those the conversation holds now, that is new, has our text and belongs to no other key.

    Raises TransientApiError while that cannot be decided: the answer shows none of the earlier messages, or another
    key is sending the same text right now and its answer will say which message is its own.
    """
    taken = {other.message_id for other in others} | set(message.ids_before)
    ours = {key: answer for key, answer in held.items() if key not in taken and _has_text_of(message, answer.payload)}
    if not ours and message.ids_before and held.keys().isdisjoint(message.ids_before):
        raise GarbledBody(f"{messages_path(message.conversation_id)}: none of the messages that were there before")
    if ours and any(_is_under_way(other) and is_same_text(other.body, message.body) for other in others):
        raise TransientApiError("a message in its conversation may be that of another key, which is being sent")
    return min(ours.items(), key=lambda entry: (_written_at(entry[1].payload), entry[0]), default=None)


def _is_under_way(other: OutboundMessage) -> bool:
    return other.status == "sending" and other.age is not None and other.age < MAX_REQUEST_SECONDS


def _has_text_of(message: OutboundMessage, payload: Mapping[str, Any]) -> bool:
    return not as_bool(payload.get("isIncoming")) and is_same_text(str(payload.get("body") or ""), message.body)


def _written_at(payload: Mapping[str, Any]) -> datetime:
    return as_instant(payload.get("insertedOn")) or as_instant(payload.get("date")) or _LAST
