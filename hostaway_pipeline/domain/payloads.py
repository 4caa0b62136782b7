"""What of a payload may be stored, and what of it counts as content.

Secrets are dropped or masked before anything is stored or logged: by the names of fields (names.py), by what card
numbers look like (cards.py), and wherever the hash of a guest's own link is repeated. Volatile keys move without any
change that matters.
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

# Of 711 moves of `updatedOn` seen in one account, 665 changed nothing else.
VOLATILE_KEYS = frozenset({"updatedOn", "latestActivityOn"})

# jsonb takes neither NUL nor half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SHORTEST_CARD, _LONGEST_PHONE = 13, 15
_LINK_PART = re.compile(r"[A-Za-z0-9_~-]{12,}")
_SHORTEST_HASH = 6
_CUSTOM_FIELD = frozenset({"customFieldId", "customField"})


class _Keys(dict[str, tuple[str, int]]):
    """How each key is written, and its kind. The same few hundred keys are in every payload."""

    _MOST, _LONGEST = 4096, 100  # of what strangers send

    def __missing__(self, key: str) -> tuple[str, int]:
        is_id = key.isdecimal()  # of an object that maps ids
        known = key if is_id else mask_cards(_printable(key)), int(kind_of_name(key))
        if len(key) <= self._LONGEST:
            if len(self) >= self._MOST:
                self.clear()
            self[key] = known
        return known


_KEYS = _Keys()
_TEXT, _IDENTIFIER, _PHONE = int(Kind.TEXT), int(Kind.IDENTIFIER), int(Kind.PHONE)
_NAME, _VALUE, _SECRET, _LINK_HASH = int(Kind.NAME), int(Kind.VALUE), int(Kind.SECRET), int(Kind.LINK_HASH)


def sanitize(value: Any) -> Any:
    """A copy without secrets at any depth, and without characters that Postgres cannot store."""
    hashes: list[str] = []
    cleaned = _cleaned(value, _TEXT, hashes)
    return _without(cleaned, hashes) if hashes and _may_hold(cleaned, hashes) else cleaned


def content_hash(payload: Payload, optional: frozenset[str] = frozenset()) -> bytes:
    """Equal when two payloads differ in volatile keys only.

    4 bytes of the keys, 12 of the content under them, and 8 more where an `optional` key is present: so a payload
    without its optional keys can be compared with one that has them (`is_same_content`), and it shows whether two
    payloads have the same keys (`lacks_keys`).
    """
    content = _content(payload)
    apart = {key: content.pop(key) for key in optional if key in content}
    return _digest(sorted(content), 4) + _digest(content, 12) + (_digest(apart, 8) if apart else b"")


def is_same_content(incoming: bytes, stored: bytes) -> bool:
    """By their hashes. An answer that lacks the optional keys says nothing of them."""
    return incoming == stored or (len(incoming) < len(stored) and stored.startswith(incoming))


def lacks_keys(incoming: bytes, stored: bytes) -> bool:
    """By their hashes: whether the stored payload may have keys that the incoming one does not carry."""
    return incoming[:4] != stored[:4] or len(incoming) < len(stored)


def _digest(content: Any, size: int) -> bytes:
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=size).digest()


def _cleaned(value: Any, kind: int, hashes: list[str]) -> Any:
    if isinstance(value, dict):
        return _cleaned_object(value, hashes)
    if isinstance(value, list):
        return [_cleaned(part, kind, hashes) for part in value]
    return _cleaned_text(value, kind) if isinstance(value, str) else value


def _cleaned_object(value: Payload, hashes: list[str]) -> dict[str, Any]:
    """One look-up and, for most values, no call per key: this runs for every payload of every page and delivery."""
    kept: dict[str, Any] = {}
    names: list[Any] = []
    codes: list[str] = []
    for key, part in value.items():
        written, kind = _KEYS[key]
        if kind >= _NAME:
            if kind >= _SECRET:
                if kind == _LINK_HASH:
                    hashes += _hashes_in(part)
                continue
            if kind == _NAME:
                names.append(part)
            else:
                codes.append(written)
        shape = type(part)
        if shape is str and (not part.isascii() or "\x00" in part or _may_be_masked(part, kind)):
            kept[written] = _cleaned_text(part, kind)
        elif shape is dict or shape is list:
            kept[written] = _cleaned(part, kind, hashes)
        else:
            kept[written] = part
    if codes:
        _mask_codes(kept, codes, names)
    return kept


def _may_be_masked(text: str, kind: int) -> bool:
    if kind == _IDENTIFIER:
        return " " in text
    if len(text) < _SHORTEST_CARD:
        return "cv" in text or "CV" in text
    is_time = len(text) == 19 and text[10] == " " and text[13] == ":"  # then no 13 digits stand together
    return not is_time and may_hold_card(text) is not None


def _cleaned_text(text: str, kind: int) -> str:
    if kind == _PHONE:
        is_exempt = len(text) <= _LONGEST_PHONE or len(digits_of(text)) <= _LONGEST_PHONE
    else:
        is_exempt = kind == _IDENTIFIER and len(text.split(maxsplit=1)) == 1
    return _printable(text if is_exempt else mask_cards(text))


def _printable(text: str) -> str:
    may_be_unstorable = not text.isascii() or "\x00" in text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text) if may_be_unstorable else text


def _mask_codes(kept: dict[str, Any], codes: list[str], names: list[Any]) -> None:
    """The values of a custom field whose name tells that they open a door; of one without a name, by its text."""
    for name in names:
        if isinstance(name, dict):  # the field's definition, within its value
            names = [*names, *(part for key, part in name.items() if _KEYS[key][1] == _NAME)]
    texts = [name for name in names if isinstance(name, str)]
    is_code = any(_KEYS[text][1] >= _SECRET for text in texts)
    for key in codes:
        value = kept[key]
        if value is None or value == "" or isinstance(value, bool):
            continue
        if is_code or (not _CUSTOM_FIELD.isdisjoint(kept) and reveals_code(f"{' '.join(texts)} {value}")):
            kept[key] = REDACTED


def _hashes_in(value: Any) -> list[str]:
    """The hash itself, or those within the path and the query of a link."""
    if not isinstance(value, str) or len(value) < _SHORTEST_HASH:
        return []
    if "/" not in value:
        return [value]
    parts: list[str] = _LINK_PART.findall(value.partition("//")[2].partition("/")[2])
    return [part for part in parts if not part.isalpha() and not part.isdecimal()]


def _may_hold(value: Any, texts: list[str]) -> bool:
    """Most payloads name the hash once: one search in their JSON spares a second way through all of them."""
    try:
        written = orjson.dumps(value)
        return any(orjson.dumps(text)[1:-1] in written for text in texts)
    except orjson.JSONEncodeError:
        return True


def _without(value: Any, hashes: list[str]) -> Any:
    if isinstance(value, str):
        for one in hashes:
            if one in value:
                value = value.replace(one, REDACTED)
        return value
    if isinstance(value, dict):
        return {key: _without(part, hashes) for key, part in value.items()}
    return [_without(part, hashes) for part in value] if isinstance(value, list) else value


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _content(part) for key, part in value.items() if key not in VOLATILE_KEYS}
        if "isPublic" in kept and not as_bool(kept["isPublic"]):
            kept.pop("url", None)  # a private attachment is signed anew at every read
        return kept
    if isinstance(value, list):
        return [_content(part) for part in value]
    return value
