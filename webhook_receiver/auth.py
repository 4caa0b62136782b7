"""Who is at the door, by keys and signatures (logins.py: by login). Comparisons take the same time whatever is wrong,
and only hashes of what is right are kept."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import time
from collections.abc import Iterable
from typing import Self

from hostaway_pipeline.settings import Settings
from webhook_receiver.bounded import Bounded

_MOST_WRONG, _WRONG_SECONDS, _MOST_ADDRESSES = 20, 60.0, 10_000
_LONGEST_ADDRESS = 64


def parse_basic(header: str | None) -> tuple[str, str] | None:
    """Login and password of an Authorization header, or None."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        login, separator, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return (login, password) if separator else None


class Signatures:
    """The optional HMAC of a signing proxy: of the raw body, in hex, with or without `sha256=` before it."""

    def __init__(self, header: str | None, secrets: Iterable[str]) -> None:
        self.header = header
        self._secrets = [secret.encode() for secret in secrets]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        secrets = settings.webhook_signature_secrets
        return cls(settings.webhook_signature_header, _parts(secrets.get_secret_value()) if secrets else [])

    def accept(self, given: str | None, body: bytes) -> bool:
        """True when no signature is asked for."""
        if self.header is None:
            return True
        claimed = (given or "").removeprefix("sha256=").lower().encode()
        right = [hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in self._secrets]
        return sum(hmac.compare_digest(claimed, signature) for signature in right) > 0


class ApiKeys:
    """Keys of our own API, as hashes from the start on. Without any, nobody gets in."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [
            bytes.fromhex(key.removeprefix("sha256:"))
            if key.startswith("sha256:")
            else hashlib.sha256(key.encode()).digest()
            for key in keys
        ]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(_parts(settings.api_keys.get_secret_value()) if settings.api_keys else [])

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accept(self, key: str) -> bool:
        digest = hashlib.sha256(key.encode()).digest()
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


class WrongTries:
    """Counts wrong credentials per address and minute. Right ones always pass: Hostaway may share a proxy with an
    attacker. Of more addresses than it can remember, those that were seen longest ago are forgotten."""

    def __init__(self) -> None:
        self._tries: Bounded[str, tuple[float, int]] = Bounded(_MOST_ADDRESSES)

    def __len__(self) -> int:
        return len(self._tries)

    def is_too_many(self, address: str) -> bool:
        """Count one more; whether there were too many since the first one of this minute."""
        now, source = time.monotonic(), _source(address)
        began, number = self._tries.get(source, (now, 0))
        if now >= began + _WRONG_SECONDS:
            began, number = now, 0
        self._tries[source] = (began, number + 1)
        return number >= _MOST_WRONG


def _source(address: str) -> str:
    """Who has one address of IPv6 has 2**64 of them; one of IPv4 may be written as one of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a proxy may tell anything
        return address[:_LONGEST_ADDRESS]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(int(parsed) >> 64)


def _parts(text: str) -> list[str]:
    return [part for part in (piece.strip() for piece in text.split(",")) if part]
