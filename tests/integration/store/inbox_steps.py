"""Steps of the inbox's tests: deliveries, and what is stored of them."""

from typing import Any

from hostaway_pipeline.domain.events import Delivery, parse_delivery
from hostaway_pipeline.store.inbox import Inbox
from tests.factories import reservation, rows

NEWEST = b"SELECT payload::text FROM hostaway.webhook_events ORDER BY id DESC LIMIT 1"
FIELDS = "SELECT * FROM hostaway.webhook_events ORDER BY id"


def delivery(
    object_id: int = 1, *, account_id: int = 1, event: str = "reservation.updated", **changes: Any
) -> Delivery:
    data = reservation(object_id, **changes)
    return parse_delivery({"object": "reservation", "event": event, "accountId": account_id, "data": data})


def accept(inbox: Inbox, *deliveries: Delivery) -> int:
    return inbox.accept([(one, f"request-{number}") for number, one in enumerate(deliveries)])


def filled(inbox: Inbox, count: int) -> None:
    assert accept(inbox, *(delivery(number) for number in range(1, count + 1))) == count


def stored(url: str) -> list[dict[str, Any]]:
    return rows(url, FIELDS)


def make_claimable(url: str) -> None:
    """End all waits and release all claims."""
    past = "now() - interval '1 second'"
    rows(url, f"UPDATE hostaway.webhook_events SET claimed_at = NULL, retry_at = {past} RETURNING 1")
