"""Reads the finance lines of a reservation (`financeField`), of which the included ones sum to its total price."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

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
_COLUMNS = tuple((name, key, read) for name, (key, read) in LINE_COLUMNS.items())


class FinanceLines(NamedTuple):
    """The lines as columns by name, with `line_no`, their position from 1 on.

    `unreadable`: keys such as `financeField.total` with a value that could not be read in some line. What is no line is
    left out.
    """

    lines: list[dict[str, Any]]
    unreadable: set[str]


def read_lines(payload: Payload) -> FinanceLines:
    raw = payload.get(FINANCE)
    found = FinanceLines([], set())
    if not isinstance(raw, list):
        return found if is_empty(raw) else FinanceLines([], {FINANCE})
    for line_no, line in enumerate(raw, start=1):
        if isinstance(line, dict):
            found.lines.append(_read_line(line_no, line, found.unreadable))
        elif not is_empty(line):
            found.unreadable.add(FINANCE)
    return found


def _read_line(line_no: int, line: Payload, unreadable: set[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {"line_no": line_no}
    for name, key, read in _COLUMNS:
        raw = line.get(key)
        value = columns[name] = None if raw is None else read(raw)
        if value is None and not is_empty(raw):
            unreadable.add(f"{FINANCE}.{key}")
    return columns
