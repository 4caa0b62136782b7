"""Every path of Hostaway's API that we use, with its page size and its way of paging.

A list is paged by `offset`, or, where rows move during the read, by `afterId`, the id of the last row received. Page
sizes are the largest that Hostaway gives; it may return fewer rows without saying so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, MESSAGES, RESERVATIONS, Entity

ACCESS_TOKENS = "/accessTokens"
WEBHOOKS = "/webhooks/unifiedWebhooks"
_RESOURCES = {"includeResources": 1}


@dataclass(frozen=True, slots=True)
class ListRead:
    """One list: its path, its page size, and the parameters of every page."""

    path: str
    limit: int
    params: Mapping[str, Any] = field(default_factory=dict)
    by_position: bool = False  # paged by `afterId`

    def at(self, offset: int) -> dict[str, Any]:
        return {"limit": self.limit, "offset": offset, **self.params}

    def after(self, position: Any) -> dict[str, Any]:
        return {"limit": self.limit, **self.params} | ({} if position is None else {"afterId": position})


ONE_LISTING = ListRead(f"/{LISTINGS.name}", 1)  # the cheapest read: does Hostaway answer this account at all?
NEWEST_RESERVATIONS = ListRead(f"/{RESERVATIONS.name}", 100, _RESOURCES, by_position=True)
REGISTERED_WEBHOOKS = ListRead(WEBHOOKS, 100)
WEBHOOK_LOGS = ListRead("/unifiedWebhookLogs", 100)
_WHOLE_LISTS = {
    LISTINGS.name: ListRead(f"/{LISTINGS.name}", 500, _RESOURCES),
    RESERVATIONS.name: ListRead(f"/{RESERVATIONS.name}", 500, _RESOURCES, by_position=True),
    CONVERSATIONS.name: ListRead(f"/{CONVERSATIONS.name}", 100),
}


def whole_list(entity: Entity) -> ListRead:
    """All listings, reservations or conversations. Messages have no list of their own: see `messages_of`."""
    return _WHOLE_LISTS[entity.name]


def messages_of(conversation_id: int, *, with_scheduled: bool = False) -> ListRead:
    """The messages of a conversation, newest first; `with_scheduled` adds those that are not sent yet."""
    scheduled = {"includeScheduledMessages": 1} if with_scheduled else {}
    return ListRead(messages_path(conversation_id), 100, scheduled)


def conversations_of(reservation_id: int) -> ListRead:
    return ListRead(f"/{RESERVATIONS.name}/{reservation_id}/{CONVERSATIONS.name}", 100)


def messages_path(conversation_id: int) -> str:
    """Where a conversation's messages are read and new ones posted."""
    return f"{object_path(CONVERSATIONS, conversation_id)}/{MESSAGES.name}"


def object_path(entity: Entity, object_id: int, conversation_id: int | None = None) -> str:
    """One object by its id. A message is found only under its conversation."""
    if entity is MESSAGES:
        return f"{messages_path(conversation_id or 0)}/{object_id}"
    return f"/{entity.name}/{object_id}"


def webhook_path(webhook_id: int) -> str:
    return f"{WEBHOOKS}/{webhook_id}"
