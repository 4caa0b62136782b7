"""Names what is odd in a payload: keys whose value could not be read, and keys that Hostaway does not document."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hostaway_pipeline.domain.entities import Entity, Row
from hostaway_pipeline.domain.known_keys import KNOWN_KEYS
from hostaway_pipeline.domain.values import is_empty

UNREADABLE, UNKNOWN = "unreadable", "unknown"
# A key that looks like no name of a field may be a value, even a personal one: these are counted together.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,59}")
_OTHER = "(other)"
# More different keys than this in one merge are no new fields.
_MAX_KEYS = 100


class Finding(NamedTuple):
    key: str
    finding: str


def findings(entity: Entity, rows: Iterable[Row]) -> Counter[Finding]:
    """How many rows have each unknown key, and each key that has a value of which no column could be read."""
    known, read_from = KNOWN_KEYS[entity.name], tuple(key for key, _ in entity.columns.values())
    unknown, unreadable = Counter[str](), Counter[str]()
    for row in rows:
        unknown.update(row.keys - known)
        unreadable.update(_unreadable(row, read_from))
    return _named(unknown, UNKNOWN) + _named(unreadable, UNREADABLE)


def unreadable_findings(keys: Iterable[str]) -> Counter[Finding]:
    return _named(Counter(keys), UNREADABLE)


def _unreadable(row: Row, read_from: tuple[str, ...]) -> set[str]:
    content = row.content
    empty = {
        key
        for key, value in zip(read_from, row.values, strict=True)
        if value is None and (raw := content.get(key)) is not None and not is_empty(raw)
    }
    if not empty:
        return empty
    return empty - {key for key, value in zip(read_from, row.values, strict=True) if value is not None}


def _named(keys: Counter[str], finding: str) -> Counter[Finding]:
    named = Counter[Finding]()
    for key, number in keys.items():
        is_name = len(named) < _MAX_KEYS and _NAME.fullmatch(key)
        named[Finding(key if is_name else _OTHER, finding)] += number
    return named
