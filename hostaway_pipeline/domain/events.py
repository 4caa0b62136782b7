"""Parses deliveries of Hostaway's webhooks: their kind, their object, and the fingerprint that finds duplicates.

sync/push/handlers.py says what each kind of event does to the tables.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import orjson

from hostaway_pipeline.domain.entities import LISTINGS, MESSAGES, RESERVATIONS, Entity
from hostaway_pipeline.domain.erasure import IsErased, identities, without_guest
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
# What separates the words of an event's name: blanks in Hostaway's documentation, dots in its deliveries.
_WORD_SEPARATOR = re.compile(r"[\s_:/-]+|(?<=[a-z])(?=[A-Z])")
_MAX_NAME_LENGTH = 100


class BadDelivery(ValueError):
    """The body is not a delivery of Hostaway's. The message says what is wrong and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery, ready for the inbox. `ignore_reason`: why its event is not applied; None: it is.

    `payload` is JSON text without secrets, `{}` where none came; never `null`, which would be read back as no payload.
    """

    account_id: int
    event: str
    object: str
    object_id: int | None
    payload: bytes
    fingerprint: bytes
    ignore_reason: str | None


def parse_delivery(body: Any) -> Delivery:
    """Parse either envelope that was seen: the four keys at the top level, or under `payload`. Raises BadDelivery."""
    if not isinstance(body, dict):
        raise BadDelivery("the body is not a JSON object")
    nested = body.get("payload")
    envelope = body | nested if isinstance(nested, dict) else body
    account_id = as_int(envelope.get("accountId"))
    if account_id is None:
        raise BadDelivery("accountId is missing or not an integer")
    event, kind = _event_name(envelope), _name(envelope, "object")
    payload = envelope.get("data")
    object_id = as_int(payload.get("id")) if isinstance(payload, dict) else None
    if event in ENTITY_OF_EVENT and object_id is None:
        raise BadDelivery("data is not an object with an integer id")
    text = _json({} if payload is None else payload)
    return Delivery(account_id, event, kind, object_id, text, _fingerprint(event, text), _ignore_reason(event))


def without_erased_guest(delivery: Delivery, is_erased: IsErased | None) -> Delivery:
    """The delivery without its guest, if that was erased."""
    payload = orjson.loads(delivery.payload)
    rest = None if is_erased is None else payload_without_guest(delivery.event, payload, is_erased)
    if rest is None:
        return delivery
    text = _json(rest)
    return replace(delivery, payload=text, fingerprint=_fingerprint(delivery.event, text))


def payload_without_guest(event: str, payload: Any, is_erased: IsErased) -> dict[str, Any] | None:
    """What is kept of an event's payload; None: all of it, since it names no erased guest.

    Nothing of events that are not applied: their payloads may name a guest in any place.
    """
    entity = ENTITY_OF_EVENT.get(event)
    if entity is None:
        return {}
    if entity is LISTINGS or not isinstance(payload, dict) or not is_erased(identities(entity.name, payload)):
        return None
    return without_guest(entity.name, payload)


def _event_name(envelope: Mapping[str, Any]) -> str:
    """A name with dots stays as it is; other separators become dots where that gives a known name."""
    name = envelope.get("event")
    if isinstance(name, str) and "." not in name and len(name) <= _MAX_NAME_LENGTH:
        dotted = ".".join(filter(None, _WORD_SEPARATOR.split(name))).lower()
        if dotted in ENTITY_OF_EVENT or dotted.startswith(_TASK):
            return dotted
    return _name(envelope, "event")


def _name(envelope: Mapping[str, Any], key: str) -> str:
    name = envelope.get(key)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise BadDelivery(f"{key} is missing or not a name")
    return name


def _json(payload: Any) -> bytes:
    """Canonical JSON: equal payloads give equal texts."""
    try:
        return orjson.dumps(sanitize(payload), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, RecursionError):
        raise BadDelivery("data is nested too deeply, or holds a number that cannot be stored") from None


def _fingerprint(event: str, text: bytes) -> bytes:
    """Includes volatile keys: a payload in which only those changed is newer, not a duplicate."""
    return blake2b(text, digest_size=16, key=event.encode()[:64]).digest()


def _ignore_reason(event: str) -> str | None:
    if event in ENTITY_OF_EVENT:
        return None
    return "tasks are not copied" if event.startswith(_TASK) else "this kind of event is not known"
