"""Names what is odd in a payload: keys whose value could not be read, and keys that Hostaway does not document."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hostaway_pipeline.domain.entities import RESERVATIONS, Entity, Row
from hostaway_pipeline.domain.finance_lines import unreadable_in_lines
from hostaway_pipeline.domain.known_keys import KNOWN_KEYS
from hostaway_pipeline.domain.values import is_empty

UNREADABLE, UNKNOWN = "unreadable", "unknown"
# A key that looks like no name of a field may be a value, even a personal one: these are counted together.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,59}")
_OTHER = "(other)"


class Finding(NamedTuple):
    key: str
    finding: str


def findings(entity: Entity, rows: Iterable[Row]) -> Counter[Finding]:
    """The number of rows that have each finding."""
    found = Counter[Finding]()
    known = KNOWN_KEYS[entity.name]
    for row in rows:
        unknown = {key if _NAME.fullmatch(key) else _OTHER for key in row.keys - known}
        found.update(Finding(key, UNKNOWN) for key in unknown)
        found.update(Finding(key, UNREADABLE) for key in unreadable_keys(entity, row))
    return found


def unreadable_keys(entity: Entity, row: Row) -> set[str]:
    """Keys that have a value of which no column could be read."""
    read, unread = set[str](), set[str]()
    for (key, _), value in zip(entity.columns.values(), row.values, strict=True):
        if value is not None:
            read.add(key)
        elif not is_empty(row.content.get(key)):
            unread.add(key)
    return (unread - read) | (unreadable_in_lines(row.content) if entity is RESERVATIONS else set())
