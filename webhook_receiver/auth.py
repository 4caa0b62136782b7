"""Who is at the door. Comparisons take the same time whatever is wrong, and only hashes of what is right are kept."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Self

from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.webhook_state import Credential

# From this age on the known credentials are read again, beside the requests; requests wait for it from the second on,
# so that a removed account's are accepted no longer, however seldom somebody comes.
_FRESH_SECONDS, _OLDEST_SECONDS = 2.0, 4.0
# A login that is not known may be new: so often the table is looked at for its sake.
_LOOK_SECONDS = 0.25
_MOST_WRONG, _WRONG_SECONDS, _MOST_ADDRESSES = 20, 60.0, 10_000
_NOBODY = hashlib.sha256(b"nobody").digest()


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


class Credentials:
    """The webhook logins of all accounts, read from the database every few seconds."""

    def __init__(self, load: Callable[[], Iterable[Credential]]) -> None:
        self._load = load
        self._known: dict[str, tuple[int, bytes]] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def account_of(self, login: str, password: str) -> int | None:
        """Whose they are, or None. Raises DatabaseUnavailable when only the database could tell."""
        asked_at = time.monotonic()
        while self._read_at < asked_at - (_OLDEST_SECONDS if login in self._known else 0.0):
            await asyncio.shield(self._read())
        if self._read_at < asked_at - _FRESH_SECONDS:
            self._read()  # beside this request: what is known is good enough for it
        account_id, digest = self._known.get(login, (None, _NOBODY))
        is_right = hmac.compare_digest(hashlib.sha256(password.encode()).digest(), digest)
        return account_id if is_right else None

    def _read(self) -> "asyncio.Task[None]":
        """One at a time, for all who wait."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read_again())
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._reading

    async def _read_again(self) -> None:
        await asyncio.sleep(self._read_at + _LOOK_SECONDS - time.monotonic())
        began = time.monotonic()
        found = await asyncio.to_thread(lambda: list(self._load()))
        self._known = {one.login: (one.account_id, hashlib.sha256(one.password.encode()).digest()) for one in found}
        self._read_at = began


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
    """Counts wrong credentials per address. Right ones always pass: Hostaway may share a proxy with an attacker."""

    def __init__(self) -> None:
        self._tries: dict[str, deque[float]] = {}

    def is_too_many(self, address: str) -> bool:
        """Count one more; whether there were too many within the last minute."""
        now = time.monotonic()
        if len(self._tries) > _MOST_ADDRESSES:
            self._tries = {one: tries for one, tries in self._tries.items() if tries[-1] > now - _WRONG_SECONDS}
        tries = self._tries.setdefault(address, deque(maxlen=_MOST_WRONG + 1))
        while tries and tries[0] <= now - _WRONG_SECONDS:
            tries.popleft()
        tries.append(now)
        return len(tries) > _MOST_WRONG


def _parts(text: str) -> list[str]:
    return [part for part in (piece.strip() for piece in text.split(",")) if part]
