"""Whether a message stands in its conversation at Hostaway, after an attempt whose end nobody knows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import ListRead, messages_of, messages_path
from hostaway_pipeline.domain.sweeps import Reading, Tally
from hostaway_pipeline.domain.texts import reads_alike
from hostaway_pipeline.domain.values import as_bool, as_instant, as_int
from hostaway_pipeline.errors import GarbledBody, TransientApiError
from hostaway_pipeline.store.outbox import OutboundMessage

# Seconds after which a request that is under way has ended, one way or the other, in the process that made it.
LONGEST_REQUEST = 30.0
_LAST = datetime.max.replace(tzinfo=UTC)


def read_conversation(client: HostawayClient, conversation_id: int) -> dict[int, ApiObject]:
    """All of its messages by their ids, scheduled ones included.

    Raises any ApiError, a GarbledBody also when they do not add up: what is not complete proves nothing.
    """
    read = messages_of(conversation_id, with_scheduled=True)
    reading, held = Reading(), dict[int, ApiObject]()
    while not reading.passes or not reading.is_done:
        reading.passes.append(_one_pass(client, read, held))
    if not reading.is_complete and not reading.shows_all:
        raise GarbledBody(f"{read.path}: {reading.disagreement}")
    return held


def _one_pass(client: HostawayClient, read: ListRead, held: dict[int, ApiObject]) -> Tally:
    tally = Tally()
    for page in client.pages(read):
        asked_at = page.read_at or datetime.now(UTC)
        shown = {key: ApiObject(row, asked_at) for row in page.rows if (key := as_int(row.get("id"))) is not None}
        tally.add(shown.keys(), page.count, is_empty=not page.rows)
        held |= shown
        if tally.is_complete:
            break
    return tally


def recognised(
    held: Mapping[int, ApiObject], message: OutboundMessage, others: Sequence[OutboundMessage]
) -> tuple[int, ApiObject] | None:
    """The message among those that its conversation holds now: it was not there before, reads as ours does, and
    belongs to no other key.

    Raises a TransientApiError while nobody can say: an answer shows nothing of what was there before, or another key is
    sending the same text right now, whose answer will tell which is its own.
    """
    taken = {other.message_id for other in others} | set(message.ids_before)
    ours = {key: found for key, found in held.items() if key not in taken and _reads_as(found.payload, message)}
    if not ours and message.ids_before and held.keys().isdisjoint(message.ids_before):
        raise GarbledBody(f"{messages_path(message.conversation_id)}: nothing of what was there before")
    if ours and any(_is_under_way(other) and reads_alike(other.body, message.body) for other in others):
        raise TransientApiError("what stands in its conversation may be another key's message, which is being sent")
    return min(ours.items(), key=lambda one: (_written_at(one[1].payload), one[0]), default=None)


def _is_under_way(other: OutboundMessage) -> bool:
    return other.status == "sending" and other.age is not None and other.age < LONGEST_REQUEST


def _reads_as(payload: Mapping[str, Any], message: OutboundMessage) -> bool:
    return not as_bool(payload.get("isIncoming")) and reads_alike(str(payload.get("body") or ""), message.body)


def _written_at(payload: Mapping[str, Any]) -> datetime:
    return as_instant(payload.get("insertedOn")) or as_instant(payload.get("date")) or _LAST
