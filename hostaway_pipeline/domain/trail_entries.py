"""Reads the entries of a reservation's audit trail: an entry per field and change, the newest first.

Fields that have no column in a version, and the names of users, are dropped here. The replay: trails.py.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from hostaway_pipeline.domain.entities import RESERVATIONS, Reader
from hostaway_pipeline.domain.payloads import Payload
from hostaway_pipeline.domain.values import as_decimal, as_instant, as_text, is_empty

# The names of what is read, and of what is compared, beside those of the entities.
TRAILS, TRAIL_SAMPLE = "trails", "trail_sample"
VERSIONED = (
    *("listing_id", "channel_id", "channel_name", "status", "arrival_date", "departure_date", "unit_count"),
    *("is_dates_unspecified", "number_of_guests", "currency", "total_price", "tax_amount", "cleaning_fee"),
    *("channel_commission", "reserved_at", "inserted_at", "cancelled_on"),
)
# By the key at Hostaway. No text tells the units, which are a list.
_COLUMNS: Mapping[str, tuple[str, Reader]] = MappingProxyType(
    {
        key: (name, read)
        for name, (key, read) in RESERVATIONS.columns.items()
        if name in VERSIONED and name != "unit_count"
    }
)


class Change(NamedTuple):
    """One change of a column, or of the total of a finance line of that name. None: it was not set."""

    at: datetime
    name: str
    is_line: bool
    previous: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Trail:
    """What an answer tells: changes, newest first, and the number of entries. Not `is_readable`: some are garbled."""

    changes: list[Change] = field(default_factory=list)
    entries: int = 0
    is_readable: bool = True


def read_trail(entries: Iterable[Any]) -> Trail:
    """Read the entries of an answer. Equal times keep Hostaway's order."""
    changes: list[Change] = []
    count, is_readable = 0, True
    for entry in entries:
        count += 1
        try:
            if (change := _read_entry(entry)) is not None:
                changes.append(change)
        except ValueError:
            is_readable = False
    if changes and changes[0].at < changes[-1].at:
        changes.reverse()
    return Trail(sorted(changes, key=lambda change: change.at, reverse=True), count, is_readable)


def _read_entry(entry: Any) -> Change | None:
    """None for a field without a column. Raises ValueError for an entry whose time or value cannot be read."""
    if not isinstance(entry, Mapping):
        raise ValueError("not an entry")  # noqa: TRY004 (it is no bug of ours)
    source, key = as_text(entry.get("source")), as_text(entry.get("updatedField")) or ""
    if source == "reservation" and key in _COLUMNS:
        name, read = _COLUMNS[key]
    elif source == "financeStandardField" and key:
        name, read = key, as_decimal
    else:
        return None
    at = as_instant(entry.get("insertedOn"))
    if at is None:
        raise ValueError("no time")
    previous, new = (_read_value(entry, side, read) for side in ("previousValue", "newValue"))
    return Change(at, name, source != "reservation", previous, new)


def _read_value(entry: Payload, side: str, read: Callable[[Any], Any]) -> Any:
    raw = entry.get(side)
    value = None if is_empty(raw) else read(raw)
    if value is None and not is_empty(raw):
        raise ValueError(side)
    return value
