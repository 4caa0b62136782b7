"""Reads the finance lines of a reservation (`financeField`), of which the included ones sum to its total price."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from hostaway_pipeline.domain.entities import FINANCE, Reader
from hostaway_pipeline.domain.payloads import Payload
from hostaway_pipeline.domain.values import as_bool, as_decimal, as_int, as_text, is_empty

LINE_COLUMNS: Mapping[str, tuple[str, Reader]] = MappingProxyType(
    {
        "source_id": ("id", as_int),
        "name": ("name", as_text),
        "title": ("title", as_text),
        "type": ("type", as_text),
        "total": ("total", as_decimal),
        "is_included": ("isIncludedInTotalPrice", as_bool),
        "is_deleted": ("isDeleted", as_bool),
    }
)


def finance_lines(payload: Payload) -> Iterator[dict[str, Any]]:
    """The lines as columns by name, with `line_no`, their position from 1 on. What is no line is left out."""
    for line_no, line in _lines(payload):
        yield {"line_no": line_no, **{name: read(line.get(key)) for name, (key, read) in LINE_COLUMNS.items()}}


def unreadable_in_lines(payload: Payload) -> set[str]:
    """Keys such as `financeField.total` whose value could not be read in some line."""
    raw = payload.get(FINANCE)
    if is_empty(raw):
        return set()
    if not isinstance(raw, list) or not all(isinstance(line, dict) for line in raw):
        return {FINANCE}
    return {
        f"{FINANCE}.{key}"
        for line in raw
        for key, read in LINE_COLUMNS.values()
        if not is_empty(value := line.get(key)) and read(value) is None
    }


def _lines(payload: Payload) -> Iterator[tuple[int, Payload]]:
    raw = payload.get(FINANCE)
    if isinstance(raw, list):
        yield from ((place, line) for place, line in enumerate(raw, start=1) if isinstance(line, dict))
