"""Authenticates deliveries: by the account's login and password (HTTP basic), and by an optional HMAC signature.

A login is looked up by an index and cached for seconds; requests do not wait for the refresh. Passwords are kept as
hashes only and decrypted only when the stored value has changed. Comparisons take constant time. API keys: auth.py.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Self

from hostaway_pipeline.errors import DatabaseUnavailable, KeyringError
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.webhooks import Credential, SealedCredential
from webhook_receiver.auth import comma_separated
from webhook_receiver.lru import LruDict

# A cached login older than the first age is refreshed in the background; older than the second, requests wait for the
# look-up, so that a removed account's login is refused, however seldom it is used.
_FRESH_SECONDS, _OLDEST_SECONDS = 2.0, 4.0
# An unknown login may become known, but nobody can guess it before: logins are random.
_UNKNOWN_SECONDS = 2.0
_MOST_KNOWN, _MOST_UNKNOWN = 50_000, 10_000
_MOST_PER_LOOKUP, _MOST_PENDING = 500, 2_000
# Logins that were never known are looked up in batches: they cost the database ten statements a second, however many
# there are. The first delivery of a new account to this process waits for its batch, too; no other delivery does.
_BATCH_SECONDS = 0.1
_LONGEST_LOGIN = 64
_NO_PASSWORD = hashlib.sha256(b"nobody").digest()

Find = Callable[[list[str]], list[SealedCredential]]
Unseal = Callable[[SealedCredential], Credential]


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
    """The optional HMAC of a signing proxy: of the raw body, in hex, with or without the prefix `sha256=`."""

    def __init__(self, header: str | None, secrets: Iterable[str]) -> None:
        self.header = header
        self._secrets = [secret.encode() for secret in secrets]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        secrets = settings.webhook_signature_secrets
        return cls(settings.webhook_signature_header, comma_separated(secrets.get_secret_value()) if secrets else [])

    def accepts(self, given: str | None, body: bytes) -> bool:
        """True when no signature is configured."""
        if self.header is None:
            return True
        claimed = (given or "").removeprefix("sha256=").lower().encode()
        right = [hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in self._secrets]
        return sum(hmac.compare_digest(claimed, signature) for signature in right) > 0


@dataclass(frozen=True, slots=True)
class _Known:
    """A cached login. `problem`: why this account's password does not decrypt."""

    account_id: int
    sealed: str
    digest: bytes
    problem: str | None
    read_at: float


class Logins:
    """`lookups` counts statements since the start: each looks up all logins that were pending."""

    def __init__(self, find: Find, unseal: Unseal) -> None:
        self._find = find
        self._unseal = unseal
        self._known: LruDict[str, _Known] = LruDict(_MOST_KNOWN)
        self._unknown: LruDict[str, float] = LruDict(_MOST_UNKNOWN)
        self._pending: dict[str, asyncio.Future[_Known | None]] = {}
        self._is_looking_up = self._is_batching = False
        self._is_urgent = False  # a login that was known is pending, or a batch is due
        self._last_lookup = float("-inf")
        self._thread = ThreadPoolExecutor(1, "logins")
        self.lookups = 0

    async def authenticate(self, login: str, password: str) -> int | None:
        """The id of the account that they belong to, or None. Raises DatabaseUnavailable when the login is not cached
        and cannot be looked up, and KeyringError when this account's own password does not decrypt."""
        known = await self._get(login)
        if known is not None and known.problem is not None:
            raise KeyringError(known.problem)
        digest = _NO_PASSWORD if known is None else known.digest
        is_right = hmac.compare_digest(hashlib.sha256(password.encode()).digest(), digest)
        return known.account_id if known is not None and is_right else None

    def close(self) -> None:
        self._thread.shutdown(wait=False)

    async def _get(self, login: str) -> _Known | None:
        now = time.monotonic()
        known = self._known.get(login)
        if known is not None and now < known.read_at + _OLDEST_SECONDS:
            if now >= known.read_at + _FRESH_SECONDS:
                with suppress(DatabaseUnavailable):  # the cached login is good enough for this request
                    self._request_lookup(login, is_urgent=True)
            return known
        if known is None and (now < self._unknown.get(login, 0.0) or not _is_well_formed(login)):
            return None
        return await asyncio.shield(self._request_lookup(login, is_urgent=known is not None))

    def _request_lookup(self, login: str, *, is_urgent: bool) -> "asyncio.Future[_Known | None]":
        """One look-up runs at a time and takes all pending logins. `is_urgent`: without waiting for a batch."""
        loop = asyncio.get_running_loop()
        pending = self._pending.get(login)
        if pending is None:
            if len(self._pending) >= _MOST_PENDING:
                raise DatabaseUnavailable("more unknown logins arrive than the database can look up")
            self._is_urgent |= is_urgent
            pending = self._pending[login] = loop.create_future()
            pending.add_done_callback(lambda done: done.cancelled() or done.exception())  # maybe nobody waits for it
        self._start_lookup(loop)
        return pending

    def _start_lookup(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_looking_up or not self._pending:
            return
        rest = self._last_lookup + _BATCH_SECONDS - time.monotonic()
        if rest <= 0 or self._is_urgent or len(self._pending) >= _MOST_PER_LOOKUP:
            self._is_looking_up, self._last_lookup = True, time.monotonic()
            self._is_urgent = len(self._pending) > _MOST_PER_LOOKUP  # the remaining ones have waited long enough
            self.lookups += 1
            self._thread.submit(self._look_up, list(islice(self._pending, _MOST_PER_LOOKUP)), loop)
        elif not self._is_batching:
            self._is_batching = True
            loop.call_later(rest, self._end_batch, loop)

    def _end_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_batching, self._is_urgent = False, True
        self._start_lookup(loop)

    def _look_up(self, logins: list[str], loop: asyncio.AbstractEventLoop) -> None:
        """Run in the thread. It calls back into the loop: a future of an executor would cost more than the look-up."""
        began = time.monotonic()
        found: Mapping[str, _Known] | Exception
        try:
            found = {sealed.login: self._unsealed(sealed, began) for sealed in self._find(logins)}
        except Exception as error:  # noqa: BLE001 (each waiting request must get it, whatever it is)
            found = error
        loop.call_soon_threadsafe(self._end_lookup, logins, found, began, loop)

    def _end_lookup(
        self,
        logins: list[str],
        found: Mapping[str, _Known] | Exception,
        began: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        for login in logins:
            pending = self._pending.pop(login)
            if isinstance(found, Exception):
                pending.set_exception(found)
            else:
                self._remember(login, found.get(login), began)
                pending.set_result(found.get(login))
        self._is_looking_up = False
        self._start_lookup(loop)

    def _remember(self, login: str, found: _Known | None, began: float) -> None:
        if found is not None:
            self._known[login] = found
        elif self._known.pop(login, None) is None:
            self._unknown[login] = began + _UNKNOWN_SECONDS

    def _unsealed(self, found: SealedCredential, began: float) -> _Known:
        known = self._known.get(found.login)
        if known is not None and known.sealed == found.sealed and known.account_id == found.account_id:
            return replace(known, read_at=began)
        try:
            digest, problem = hashlib.sha256(self._unseal(found).password.encode()).digest(), None
        except KeyringError as error:
            digest, problem = _NO_PASSWORD, str(error)
        return _Known(found.account_id, found.sealed, digest, problem, began)


def _is_well_formed(login: str) -> bool:
    return 0 < len(login) <= _LONGEST_LOGIN and login.isascii() and login.isprintable()
