"""Erased guests: by which identities a payload names its guest, and what is kept of it once that guest was erased.

What is kept is a list, not what is removed: a key that Hostaway adds tomorrow may name the guest, too.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from hostaway_pipeline.domain.entities import CONVERSATIONS, FINANCE, MESSAGES, RESERVATIONS, Entity, Reader, Row
from hostaway_pipeline.domain.finance_lines import LINE_COLUMNS
from hostaway_pipeline.domain.guests import Identifier, identifiers
from hostaway_pipeline.domain.payloads import Payload
from hostaway_pipeline.domain.values import DATE_LENGTH, as_date, as_instant, as_int, as_text

# Tells whether one of these identities is that of an erased guest.
IsErased = Callable[[Collection[Identifier]], bool]
# The names that identities have in addition to those of `Identifier`.
RESERVATION, CONVERSATION = "reservation", "conversation"

# Keys of columns that say who the guest is or what was written. They become null, so that the columns do.
_PERSONAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        RESERVATIONS.name: frozenset(
            {"guestName", "guestEmail", "phone", "guestExternalAccountId", "confirmationCode", "reservationId"}
        ),
        CONVERSATIONS.name: frozenset({"recipientName"}),
        MESSAGES.name: frozenset({"body"}),
    }
)
_Readers = Mapping[str, Collection[Reader]]


def _by_key(columns: Iterable[tuple[str, Reader]]) -> _Readers:
    readers = defaultdict[str, list[Reader]](list)
    for key, read in columns:
        readers[key].append(read)
    return MappingProxyType(dict(readers))


# What is kept: a key's value, if one of the columns that are made of it can read it. A guest's words may stand where a
# number belongs.
_KEPT: Mapping[str, _Readers] = MappingProxyType(
    {
        entity.name: _by_key(
            [("id", as_int), ("accountId", as_int), ("updatedOn", as_instant), *entity.columns.values()]
        )
        for entity in (RESERVATIONS, CONVERSATIONS, MESSAGES)
    }
)
# The title is a text of the host's.
_KEPT_OF_LINES = _by_key(column for name, column in LINE_COLUMNS.items() if name != "title")


def identities(entity: str, content: Payload) -> list[Identifier]:
    """The guest's identities that a reservation, conversation or message names."""
    emails = [found for key in ("guestEmail", "recipientEmail") for found in _email(content.get(key))]
    if entity == RESERVATIONS.name:
        external_id, phone = as_text(content.get("guestExternalAccountId")), as_text(content.get("phone"))
        named = identifiers(as_int(content.get("channelId")), external_id, None, phone)
        return [*_number(RESERVATION, content.get("id")), *named, *emails]
    found = _number(RESERVATION, content.get("reservationId"))
    found += _number(CONVERSATION, content.get("id" if entity == CONVERSATIONS.name else "conversationId"))
    return found + emails


def own_identities(entity: str, object_id: int) -> list[Identifier]:
    """The identity by which what belongs to this object is recognised."""
    kind = {RESERVATIONS.name: RESERVATION, CONVERSATIONS.name: CONVERSATION}.get(entity)
    return [Identifier(kind, str(object_id))] if kind else []


def without_guest(entity: str, content: Payload) -> dict[str, Any]:
    """What is kept of a reservation, conversation or message: ids, times, money and states."""
    personal, kept = _PERSONAL[entity], _KEPT[entity]
    rest = {
        key: None if key in personal else _readable(value, kept[key]) for key, value in content.items() if key in kept
    }
    if FINANCE in content and entity == RESERVATIONS.name:
        rest[FINANCE] = _lines(content[FINANCE])
    return rest


def erased_row(entity: Entity, row: Row) -> Row:
    """The row without its guest. Repeatable: a row without guest stays as it is."""
    return entity.with_content(row, without_guest(entity.name, row.content))


def _number(kind: str, value: Any) -> list[Identifier]:
    number = as_int(value)
    return [] if number is None else [Identifier(kind, str(number))]


def _email(value: Any) -> list[Identifier]:
    return identifiers(None, None, as_text(value), None)


def _readable(value: Any, readers: Collection[Reader]) -> Any:
    """The value as far as the columns read it: of a date, no text behind it; of a list, as many empty objects."""
    if isinstance(value, list):
        return [{} for _ in value]  # columns read its length
    if isinstance(value, dict) or all(read(value) is None for read in readers):
        return None
    return value[:DATE_LENGTH] if all(read is as_date for read in readers) else value


def _lines(value: Any) -> Any:
    if not isinstance(value, list):
        return None
    lines = (line for line in value if isinstance(line, dict))
    return [
        {key: _readable(part, _KEPT_OF_LINES[key]) for key, part in line.items() if key in _KEPT_OF_LINES}
        for line in lines
    ]
