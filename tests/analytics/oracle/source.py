"""What the oracle starts from: the objects of one account, and the few facts that only a sync can know."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.listing_calendar import calendar

Payload = dict[str, Any]


@dataclass(frozen=True)
class Rules:
    """The readings that a calculator gets wrong most easily. The defaults are right; a test turns each around."""

    sold: frozenset[str] = frozenset({"new", "modified"})
    rent_is_total: bool = False
    counts_departure: bool = False


@dataclass
class Source:
    """`calendar` holds days by listing and date. `archived_at` and `deleted_at`: when a sync saw it, by listing."""

    account_id: int
    listings: list[Payload]
    reservations: list[Payload]
    conversations: list[Payload]
    messages: list[Payload]
    today: date
    calendar: dict[tuple[int, date], Payload] = field(default_factory=dict)
    archived_at: dict[int, datetime] = field(default_factory=dict)
    deleted_at: dict[int, datetime] = field(default_factory=dict)
    first_seen_at: datetime | None = None
    has_finance: bool = True
    rules: Rules = Rules()


def source_of(account: Account, today: date, **facts: Any) -> Source:
    """The present objects of a sandbox's account; `facts` are the other fields."""
    objects = {kind: list(account.truth(kind)) for kind in ("listings", "reservations", "conversations", "messages")}
    return Source(account.id, **objects, today=today, **facts)


def calendar_of(account: Account, listing_ids: Iterable[int], days: range) -> dict[tuple[int, date], Payload]:
    """The days of these listings; `days` are ordinals."""
    return {
        (listing_id, date.fromisoformat(row["date"])): row
        for listing_id in listing_ids
        for row in calendar(account, listing_id, days.start, days.stop - 1, with_resources=False)
    }
