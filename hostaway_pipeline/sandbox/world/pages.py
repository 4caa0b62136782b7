"""Hostaway's paging: silent caps, `afterId`, short pages. Response bodies: api/envelope.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

from hostaway_pipeline.sandbox.world.sorting import ReservationOrder

DEFAULT_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Rows [start, stop) of `count`; `limit` is the requested limit after the cap."""

    start: int
    limit: int
    count: int
    stop: int


@dataclass(frozen=True, slots=True)
class Pager:
    """The paging rules of one list."""

    cap: int
    short_pages: bool = False

    def page(self, query: Mapping[str, str], count: int, *, start: int | None = None) -> Page:
        """The requested page; a missing or invalid limit is the default, one above the cap is lowered silently."""
        limit = min(number(query, "limit", DEFAULT_LIMIT) or DEFAULT_LIMIT, self.cap)
        first = number(query, "offset", 0) if start is None else start
        size = limit
        if self.short_pages and crc32(f"{first}:{limit}:{count}".encode()) % 3 == 0:
            size = max(1, limit * 2 // 3)
        return Page(first, limit, count, first + size)


def number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isdecimal() else default


def flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    text = query.get(name)
    return default if text is None else text.lower() in ("1", "true")


def start_after(order: ReservationOrder, query: Mapping[str, str]) -> int | None:
    """The position after `afterId` in the requested order, or None without it."""
    after_id = number(query, "afterId", 0)
    return order.position_after(after_id) if after_id else None


def is_active_within(latest_activity_on: str, query: Mapping[str, str]) -> bool:
    """Whether the day lies between `latestActivityStart` and `latestActivityEnd`, both included."""
    day = latest_activity_on[:10]
    return query.get("latestActivityStart", "") <= day <= query.get("latestActivityEnd", "9999")
