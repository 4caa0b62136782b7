"""Authenticates callers of our own API by their keys, and counts wrong credentials of every kind per address.

Keys are kept as hashes only, and comparisons take constant time. Deliveries: delivery_auth.py.
"""

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Iterable
from typing import Self

from hostaway_pipeline.settings import Settings
from webhook_receiver.lru import LruDict

_MOST_WRONG, _WRONG_SECONDS, _MOST_ADDRESSES = 20, 60.0, 10_000
_LONGEST_ADDRESS = 64


class ApiKeys:
    """Keys of our own API. Without any, every caller is refused."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [
            bytes.fromhex(key.removeprefix("sha256:"))
            if key.startswith("sha256:")
            else hashlib.sha256(key.encode()).digest()
            for key in keys
        ]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(comma_separated(settings.api_keys.get_secret_value()) if settings.api_keys else [])

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accepts(self, key: str) -> bool:
        digest = hashlib.sha256(key.encode()).digest()
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


class WrongTries:
    """Counts wrong credentials per address and minute.

    Right credentials are accepted from any address: Hostaway may share a proxy with an attacker. The number of
    addresses is bounded: the one whose last wrong try is oldest is evicted.
    """

    def __init__(self) -> None:
        self._tries: LruDict[str, tuple[float, int]] = LruDict(_MOST_ADDRESSES)

    def __len__(self) -> int:
        return len(self._tries)

    def count_and_check(self, address: str) -> bool:
        """Count one more wrong try. True when too many came in the minute that began with the first of them."""
        now, network = time.monotonic(), _network(address)
        began, number = self._tries.get(network, (now, 0))
        if now >= began + _WRONG_SECONDS:
            began, number = now, 0
        self._tries[network] = (began, number + 1)
        return number >= _MOST_WRONG


def _network(address: str) -> str:
    """The key to count by: an IPv4 address, also when mapped to IPv6, or the /64 that one IPv6 client may have."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # X-Forwarded-For may hold anything
        return address[:_LONGEST_ADDRESS]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(int(parsed) >> 64)


def comma_separated(text: str) -> list[str]:
    return [value for value in (piece.strip() for piece in text.split(",")) if value]
