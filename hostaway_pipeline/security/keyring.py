"""Authenticated encryption of single values, each bound to the place where it is stored.

A stored value is `v1:<key id>:<base64 of nonce and ciphertext>`, so that the format can change and keys can rotate. A
value that is copied to another row, column or table does not decrypt there.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hostaway_pipeline.errors import KeyringError

KEY_BYTES = 32
_NONCE_BYTES = 12
_STORED = re.compile(r"v1:([A-Za-z0-9_.-]{1,64}):([A-Za-z0-9+/]{38,}={0,2})")
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is stored: the associated data of its encryption."""

    table: str
    column: str
    account_id: int | None = None

    def associated_data(self) -> bytes:
        return f"{self.table}|{self.column}|{self.account_id}".encode()


class Keyring:
    """Keys by id; the first one encrypts, all of them decrypt."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise KeyringError("HOSTAWAY_ENCRYPTION_KEYS: no key given; make one with `hostaway keys generate`")
        self._keys = MappingProxyType(dict(keys))
        self.active_id = next(iter(self._keys))

    def __repr__(self) -> str:
        return f"Keyring(ids={list(self._keys)})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `id:key,id:key`, keys as urlsafe base64 of 32 bytes. Raises KeyringError with the id, never the key."""
        keys: dict[str, bytes] = {}
        for position, part in enumerate(filter(None, (p.strip() for p in text.split(","))), start=1):
            key_id, separator, key = part.partition(":")
            if not separator or _KEY_ID.fullmatch(key_id) is None:
                raise KeyringError(f"HOSTAWAY_ENCRYPTION_KEYS: entry {position} is not of the form id:key")
            if key_id in keys:
                raise KeyringError(f"HOSTAWAY_ENCRYPTION_KEYS: key id {key_id!r} is given twice")
            keys[key_id] = _decode_key(key_id, key)
        return cls(keys)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def encrypt(self, plaintext: str, place: Place) -> str:
        return self._encrypt(self.active_id, plaintext, place)

    def decrypt(self, stored: str, place: Place) -> str:
        """Raises KeyringError when the value is not encrypted, its key is missing, or it belongs to another place."""
        match = _STORED.fullmatch(stored)
        if match is None:
            raise KeyringError(f"{_label(place)} is stored in clear: run `hostaway keys rotate`")
        key_id = match[1]
        if key_id not in self._keys:
            raise KeyringError(f"{_label(place)} needs key {key_id!r}, which HOSTAWAY_ENCRYPTION_KEYS does not have")
        try:
            sealed = base64.b64decode(match[2], validate=True)
            nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return AESGCM(self._keys[key_id]).decrypt(nonce, ciphertext, place.associated_data()).decode()
        except (InvalidTag, binascii.Error, UnicodeDecodeError):
            raise KeyringError(
                f"{_label(place)} does not decrypt with key {key_id!r}: wrong key or altered value"
            ) from None

    def derive(self, key_id: str, purpose: str) -> bytes:
        """A key for this purpose alone, 32 bytes. Raises KeyringError when the key it is derived from is missing."""
        if key_id not in self._keys:
            raise KeyringError(f"HOSTAWAY_ENCRYPTION_KEYS: key {key_id!r} is missing, and {purpose} need it")
        return blake2b(purpose.encode(), key=self._keys[key_id], digest_size=KEY_BYTES).digest()

    def canary(self, key_id: str) -> str:
        """Encrypt a known text with one key, by which a later start recognises a wrong key."""
        return self._encrypt(key_id, "canary", _canary_place(key_id))

    def check_canary(self, key_id: str, stored: str) -> None:
        """Raises KeyringError when this key did not encrypt the canary."""
        try:
            self.decrypt(stored, _canary_place(key_id))
        except KeyringError:
            raise KeyringError(
                f"HOSTAWAY_ENCRYPTION_KEYS: key {key_id!r} is not the key that the stored secrets were encrypted with"
            ) from None

    def _encrypt(self, key_id: str, plaintext: str, place: Place) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = AESGCM(self._keys[key_id]).encrypt(nonce, plaintext.encode(), place.associated_data())
        return f"v1:{key_id}:{base64.b64encode(nonce + ciphertext).decode()}"


def generate_key() -> str:
    """A new key, in the form that HOSTAWAY_ENCRYPTION_KEYS expects after the id."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def stored_key_id(stored: str) -> str | None:
    """The id of the key that encrypted a value; None when it is not encrypted."""
    match = _STORED.fullmatch(stored)
    return match[1] if match else None


def _decode_key(key_id: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:  # not ASCII, or not base64
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyringError(f"HOSTAWAY_ENCRYPTION_KEYS: key {key_id!r} is not base64 of {KEY_BYTES} bytes")
    return key


def _canary_place(key_id: str) -> Place:
    return Place("key_canaries", key_id)


def _label(place: Place) -> str:
    owner = "" if place.account_id is None else f" of account {place.account_id}"
    return f"{place.table}.{place.column}{owner}"
