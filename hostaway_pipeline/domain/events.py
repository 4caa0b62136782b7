"""Deliveries of Hostaway's webhooks as values: what one says, which kinds of events we know, when two are equal.

What an event does to the tables is sync/handlers.py's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import orjson

from hostaway_pipeline.domain.entities import LISTINGS, MESSAGES, RESERVATIONS, Entity
from hostaway_pipeline.domain.payloads import sanitize
from hostaway_pipeline.domain.values import as_int

# The kinds of events that are applied, and the entity of each. Hostaway announces a cancellation as reservation.updated
# today; the others are documented and may come any day.
ENTITY_OF_EVENT: Mapping[str, Entity] = MappingProxyType(
    {
        "listing.created": LISTINGS,
        "listing.updated": LISTINGS,
        "listing.deleted": LISTINGS,
        "reservation.created": RESERVATIONS,
        "reservation.updated": RESERVATIONS,
        "reservation.cancelled": RESERVATIONS,
        "message.created": MESSAGES,
        "message.received": MESSAGES,
    }
)
PING = {"data": "test"}
_TASK = "task."
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,99}")
# Between the words of an event's name: its documentation writes blanks, its deliveries carry dots.
_BETWEEN_WORDS = re.compile(r"[\s_:/-]+|(?<=[a-z])(?=[A-Z])")
_LONGEST_NAME = 100


class BadDelivery(ValueError):
    """The body is not a delivery of Hostaway's; the text says what is wrong, without quoting it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery, ready for the inbox. `ignored` says why nothing follows.

    `payload` is JSON text without secrets, `{}` where nothing came: never null, which Postgres takes for no value.
    """

    account_id: int
    event: str
    object: str
    object_id: int | None
    payload: bytes
    fingerprint: bytes
    ignored: str | None


def parse_delivery(body: Any) -> Delivery:
    """Both envelopes that were seen: the four keys at the top, or below `payload`. Raises BadDelivery."""
    if not isinstance(body, dict):
        raise BadDelivery("the body is not a JSON object")
    nested = body.get("payload")
    parts = body | nested if isinstance(nested, dict) else body
    account_id = as_int(parts.get("accountId"))
    if account_id is None:
        raise BadDelivery("accountId is missing or no integer")
    event, kind = _event(parts), _name(parts, "object")
    payload = parts.get("data")
    object_id = as_int(payload.get("id")) if isinstance(payload, dict) else None
    if event in ENTITY_OF_EVENT and object_id is None:
        raise BadDelivery("data is not an object with an integer id")
    text = _json({} if payload is None else payload)
    return Delivery(account_id, event, kind, object_id, text, _fingerprint(event, text), _ignored(event))


def _event(parts: Mapping[str, Any]) -> str:
    """A name with dots is taken as it came; one whose words are set apart in another way, as the one we know."""
    name = parts.get("event")
    if isinstance(name, str) and "." not in name and len(name) <= _LONGEST_NAME:
        known = ".".join(filter(None, _BETWEEN_WORDS.split(name))).lower()
        if known in ENTITY_OF_EVENT or known.startswith(_TASK):
            return known
    return _name(parts, "event")


def _name(parts: Mapping[str, Any], key: str) -> str:
    name = parts.get(key)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise BadDelivery(f"{key} is missing or no name")
    return name


def _json(payload: Any) -> bytes:
    """In one form, so that equal payloads are equal texts."""
    try:
        return orjson.dumps(sanitize(payload), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, RecursionError):
        raise BadDelivery("data is nested too deep, or holds a number that cannot be stored") from None


def _fingerprint(event: str, text: bytes) -> bytes:
    """Volatile keys included: a payload of which only they moved is newer, not equal."""
    return blake2b(text, digest_size=16, key=event.encode()[:64]).digest()


def _ignored(event: str) -> str | None:
    if event in ENTITY_OF_EVENT:
        return None
    return "tasks are not copied" if event.startswith(_TASK) else "this kind of event is not known"
