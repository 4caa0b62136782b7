"""Sanitizes payloads before they are stored, and hashes their content.

Secrets are dropped or masked by the names of fields (names.py), by the look of card numbers (cards.py), and wherever
the hash of a guest's own link is repeated. Content is a payload without its volatile keys, which change by themselves.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from hostaway_pipeline.domain.cards import REDACTED, digits_of, mask_cards, may_hold_card
from hostaway_pipeline.domain.names import Kind, kind_of_name, reveals_code
from hostaway_pipeline.domain.values import as_bool

Payload = Mapping[str, Any]

# Of 711 changes of `updatedOn` seen in one account, 665 came with no other change.
VOLATILE_KEYS = frozenset({"updatedOn", "latestActivityOn"})
# Of a reservation whose dates are not known yet: Hostaway sets them to yesterday, so they move every day.
_UNSPECIFIED = ("arrivalDate", "departureDate", "previousArrivalDate", "previousDepartureDate")

# jsonb stores neither NUL nor half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MIN_CARD_LENGTH, _MAX_PHONE_LENGTH = 13, 15
_LINK_PART = re.compile(r"[A-Za-z0-9_~-]{12,}")
_MIN_HASH_LENGTH = 6
_CUSTOM_FIELD = frozenset({"customFieldId", "customField"})


class _Keys(dict[str, tuple[str, int]]):
    """Caches the printable form and the kind of each key: all payloads share a few hundred keys."""

    _MAX_KEYS, _MAX_KEY_LENGTH = 4096, 100  # bounds the memory that deliveries with random keys can take

    def __missing__(self, key: str) -> tuple[str, int]:
        is_id = key.isdecimal()  # in an object that maps ids to values
        entry = key if is_id else mask_cards(_printable(key)), int(kind_of_name(key))
        if len(key) <= self._MAX_KEY_LENGTH:
            if len(self) >= self._MAX_KEYS:
                self.clear()
            self[key] = entry
        return entry


_KEYS = _Keys()
_TEXT, _IDENTIFIER, _PHONE = int(Kind.TEXT), int(Kind.IDENTIFIER), int(Kind.PHONE)
_NAME, _VALUE, _SECRET, _LINK_HASH = int(Kind.NAME), int(Kind.VALUE), int(Kind.SECRET), int(Kind.LINK_HASH)


def sanitize(value: Any) -> Any:
    """Copy a JSON value without secrets at any depth and without characters that Postgres cannot store."""
    hashes: list[str] = []
    cleaned = _clean(value, _TEXT, hashes)
    return _mask_hashes(cleaned, hashes) if hashes and _may_hold(cleaned, hashes) else cleaned


def content_hash(payload: Payload, optional: frozenset[str] = frozenset()) -> bytes:
    """Hash a payload without its volatile keys: 16 bytes, or 24 where an `optional` key is present.

    4 bytes hash the keys, 12 the content, and 8 more the optional keys. So a payload without its optional keys can be
    compared with one that has them (`is_same_content`), and two payloads show whether their keys differ (`lacks_keys`).
    """
    content = _content(payload)
    extra = {key: content.pop(key) for key in optional if key in content}
    return _digest(sorted(content), 4) + _digest(content, 12) + (_digest(extra, 8) if extra else b"")


def is_same_content(incoming: bytes, stored: bytes) -> bool:
    """Compare two content hashes. An incoming payload without the optional keys says nothing about them."""
    return incoming == stored or (len(incoming) < len(stored) and stored.startswith(incoming))


def hash_of_optional(whole: bytes) -> bytes:
    """The part of a content hash that hashes the optional keys; empty without them."""
    return whole[16:]


def lacks_keys(incoming: bytes, stored: bytes) -> bool:
    """Compare two content hashes: whether the stored payload may have keys that the incoming one lacks."""
    return incoming[:4] != stored[:4] or len(incoming) < len(stored)


def _digest(content: Any, size: int) -> bytes:
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=size).digest()


def _clean(value: Any, kind: int, hashes: list[str]) -> Any:
    if isinstance(value, dict):
        return _clean_object(value, hashes)
    if isinstance(value, list):
        return [_clean(part, kind, hashes) for part in value]
    return _clean_text(value, kind) if isinstance(value, str) else value


def _clean_object(value: Payload, hashes: list[str]) -> dict[str, Any]:
    """Inlined for speed, since it runs for every payload: one look-up and, for most values, no call per key."""
    kept: dict[str, Any] = {}
    names: list[Any] = []
    codes: list[str] = []
    for key, part in value.items():
        written, kind = _KEYS[key]
        if kind >= _NAME:
            if kind >= _SECRET:
                if kind == _LINK_HASH:
                    hashes += _link_hashes(part)
                continue
            if kind == _NAME:
                names.append(part)
            else:
                codes.append(written)
        shape = type(part)
        if shape is str and (not part.isascii() or "\x00" in part or _may_be_masked(part, kind)):
            kept[written] = _clean_text(part, kind)
        elif shape is dict or shape is list:
            kept[written] = _clean(part, kind, hashes)
        else:
            kept[written] = part
    if codes:
        _mask_codes(kept, codes, names)
    return kept


def _may_be_masked(text: str, kind: int) -> bool:
    if kind == _IDENTIFIER:
        return " " in text
    if len(text) < _MIN_CARD_LENGTH:
        return "cv" in text or "CV" in text
    is_time = len(text) == 19 and text[10] == " " and text[13] == ":"  # a timestamp cannot hold 13 digits in a row
    return not is_time and may_hold_card(text) is not None


def _clean_text(text: str, kind: int) -> str:
    if kind == _PHONE:
        is_exempt = len(text) <= _MAX_PHONE_LENGTH or len(digits_of(text)) <= _MAX_PHONE_LENGTH
    else:
        is_exempt = kind == _IDENTIFIER and len(text.split(maxsplit=1)) == 1
    return _printable(text if is_exempt else mask_cards(text))


def _printable(text: str) -> str:
    may_be_unstorable = not text.isascii() or "\x00" in text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text) if may_be_unstorable else text


def _mask_codes(kept: dict[str, Any], codes: list[str], names: list[Any]) -> None:
    """Mask the values of a custom field that is a door code by its name, or by name and value together."""
    for name in names:
        if isinstance(name, dict):  # the definition of the field, nested in its value
            names = [*names, *(part for key, part in name.items() if _KEYS[key][1] == _NAME)]
    texts = [name for name in names if isinstance(name, str)]
    is_code = any(_KEYS[text][1] >= _SECRET for text in texts)
    for key in codes:
        value = kept[key]
        if value is None or value == "" or isinstance(value, bool):
            continue
        if is_code or (not _CUSTOM_FIELD.isdisjoint(kept) and reveals_code(f"{' '.join(texts)} {value}")):
            kept[key] = REDACTED


def _link_hashes(value: Any) -> list[str]:
    """The hash itself, or the hashes in the path and query of a link."""
    if not isinstance(value, str) or len(value) < _MIN_HASH_LENGTH:
        return []
    if "/" not in value:
        return [value]
    parts: list[str] = _LINK_PART.findall(value.partition("//")[2].partition("/")[2])
    return [part for part in parts if not part.isalpha() and not part.isdecimal()]


def _may_hold(value: Any, texts: list[str]) -> bool:
    """A cheap test: most payloads hold the hash once, and a search in their JSON saves a second walk through them."""
    try:
        written = orjson.dumps(value)
        return any(orjson.dumps(text)[1:-1] in written for text in texts)
    except orjson.JSONEncodeError:
        return True


def _mask_hashes(value: Any, hashes: list[str]) -> Any:
    if isinstance(value, str):
        for link_hash in hashes:
            value = value.replace(link_hash, REDACTED)
        return value
    if isinstance(value, dict):
        return {key: _mask_hashes(part, hashes) for key, part in value.items()}
    return [_mask_hashes(part, hashes) for part in value] if isinstance(value, list) else value


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _content(part) for key, part in value.items() if key not in VOLATILE_KEYS}
        if "isPublic" in kept and not as_bool(kept["isPublic"]):
            kept.pop("url", None)  # a private attachment is signed anew at every read
        if "isDatesUnspecified" in kept and as_bool(kept["isDatesUnspecified"]):
            for key in _UNSPECIFIED:
                kept.pop(key, None)
        return kept
    if isinstance(value, list):
        return [_content(part) for part in value]
    return value
