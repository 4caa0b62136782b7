"""Every path of Hostaway's API that we use, its page sizes, and how its lists are paged.

A list is paged by `offset`, or, where rows move during the read, by `afterId`, the id of the last row received. Page
sizes are the largest that Hostaway gives, but any page may hold fewer rows than requested. So a reader advances by the
rows received, and stops when the count is reached, at an empty page, or when a page holds nothing new. The empty page
is yielded, too: it shows that the list has ended. `to_the_end`: read up to the empty page even when the count is
reached.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hostaway_pipeline.client.answers import Page
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, MESSAGES, RESERVATIONS, Entity
from hostaway_pipeline.errors import NotFound

FetchAt = Callable[[int], Page]
FetchAfter = Callable[[Any], Page]

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
# By the conversation's marker: reservations whose newest message of that kind is newest come first.
NEWEST_THREADS = tuple(
    ListRead(f"/{RESERVATIONS.name}", 100, {"sortOrder": order, "includeResources": 0}, by_position=True)
    for order in ("lastConversationMessageSentDesc", "lastConversationMessageReceivedDesc")
)
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


def calendar_of(listing_id: int, first: date, last: date) -> tuple[str, dict[str, Any]]:
    """Path and parameters of a listing's days, `first` and `last` included, without their reservations: one answer."""
    days = {"startDate": first.isoformat(), "endDate": last.isoformat(), "includeResources": 0}
    return f"{object_path(LISTINGS, listing_id)}/calendar", days


def messages_path(conversation_id: int) -> str:
    """Where a conversation's messages are read and new ones posted."""
    return f"{object_path(CONVERSATIONS, conversation_id)}/{MESSAGES.name}"


def object_path(entity: Entity, object_id: int, conversation_id: int | None = None) -> str:
    """One object by its id. A message is found only under its conversation."""
    if entity is MESSAGES:
        return f"{messages_path(conversation_id or 0)}/{object_id}"
    return f"/{entity.name}/{object_id}"


def finance_path(reservation_id: int) -> str:
    """A reservation's finance lines, which its lists may lack."""
    return f"/financeField/{reservation_id}"


def trail_path(reservation_id: int) -> str:
    """A reservation's audit trail: without a limit and an offset, all of it in one answer."""
    return f"{object_path(RESERVATIONS, reservation_id)}/logs"


def webhook_path(webhook_id: int) -> str:
    return f"{WEBHOOKS}/{webhook_id}"


def paginate(fetch: FetchAt, offset: int = 0) -> Iterator[Page]:
    """Page by `offset`, one page after another, up to and including the empty one."""
    while True:
        page = fetch(offset)
        yield page
        if not page.rows:
            return
        offset += len(page.rows)


def after_id(fetch: FetchAfter, *, to_the_end: bool = False) -> Iterator[Page]:
    """Page by `afterId`, a position in the server's order: deleted rows shift nothing.

    When the row of the position is deleted, the pass ends early; the caller sees fewer ids than the count.
    """
    position: Any = None
    seen: set[Any] = set()
    while True:
        try:
            page = fetch(position)
        except NotFound:
            if position is None:
                raise
            return
        ids = {row_id for row in page.rows if isinstance(row_id := row.get("id"), int | str)}
        if not ids - seen:
            # Also ends on a server that ignores `afterId` and returns the first page for ever.
            if position is None or not page.rows:
                yield page
            return
        seen |= ids
        yield page
        if page.count is not None and len(seen) >= page.count and not to_the_end:
            return
        position = page.rows[-1].get("id")


def by_offset(fetch: FetchAt, pool: Executor, *, concurrency: int, to_the_end: bool = False) -> Iterator[Page]:
    """Page by `offset`, several pages at a time; yields them as they arrive.

    The first page gives the count and the real page size. A page shorter than its range is followed by a request for
    the rest of the range.
    """
    first = fetch(0)
    yield first
    size, end = len(first.rows), first.count
    if size == 0:
        return
    if end is None:
        yield from paginate(fetch, size)
        return
    has_ended, furthest = False, size
    ranges = iter([(start, min(start + size, end)) for start in range(size, end, size)])
    under_way: dict[Future[Page], tuple[int, int]] = {}
    try:
        while True:
            while len(under_way) < concurrency and (bounds := next(ranges, None)) is not None:
                under_way[pool.submit(fetch, bounds[0])] = bounds
            if not under_way:
                break
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                start, stop = under_way.pop(future)
                page = future.result()
                yield page
                reached = start + len(page.rows)
                has_ended, furthest = has_ended or not page.rows, max(furthest, reached)
                if page.rows and reached < stop:
                    under_way[pool.submit(fetch, reached)] = (reached, stop)
    finally:
        for future in under_way:
            future.cancel()
    if to_the_end and not has_ended:
        yield from paginate(fetch, furthest)
