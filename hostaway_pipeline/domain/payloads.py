"""What of a payload may be stored, and what of it counts as content.

Three lists, each with its reason: secrets are dropped before anything is stored or logged, resources that
have a table of their own are not stored twice, volatile keys move without any change that matters.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from hostaway_pipeline.domain.values import as_bool

Payload = Mapping[str, Any]

# Card data, door codes and sign-in hashes. Free text about the door may quote its code.
SECRET_KEYS = frozenset({"cvc", "doorCode", "doorCodeInstruction", "doorSecurityCode", "guestAuthHash", "wifiPassword"})
_CARD_KEY = re.compile(r"cc[A-Z]")

# Of 711 moves of `updatedOn` seen in one account, 665 changed nothing else.
VOLATILE_KEYS = frozenset({"updatedOn", "latestActivityOn"})

# jsonb takes neither NUL nor half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@lru_cache(maxsize=4096)  # the same few hundred keys in every payload
def is_secret(key: str) -> bool:
    return key in SECRET_KEYS or _CARD_KEY.match(key) is not None


def storable(value: Any) -> Any:
    """A copy without secrets at any depth, and without characters that Postgres cannot store."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value) if _may_be_unstorable(value) else value
    if isinstance(value, dict):
        return {storable(key): storable(part) for key, part in value.items() if not is_secret(key)}
    if isinstance(value, list):
        return [storable(part) for part in value]
    return value


def content_hash(payload: Payload, optional: frozenset[str] = frozenset()) -> bytes:
    """Equal when two payloads differ in volatile keys only: 16 bytes, and 8 more where an `optional` key is present.

    So a payload without its optional keys can be compared with one that has them: see `is_same_content`.
    """
    content = _content(payload)
    apart = {key: content.pop(key) for key in optional if key in content}
    return _digest(content, 16) + (_digest(apart, 8) if apart else b"")


def is_same_content(incoming: bytes, stored: bytes) -> bool:
    """By their hashes. An answer that lacks the optional keys says nothing of them."""
    return incoming == stored or (len(incoming) < len(stored) and stored.startswith(incoming))


def _digest(content: Any, size: int) -> bytes:
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=size).digest()


def _may_be_unstorable(text: str) -> bool:
    return not text.isascii() or "\x00" in text


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _content(part) for key, part in value.items() if key not in VOLATILE_KEYS}
        if "isPublic" in kept and not as_bool(kept["isPublic"]):
            kept.pop("url", None)  # a private attachment is signed anew at every read
        return kept
    if isinstance(value, list):
        return [_content(part) for part in value]
    return value
