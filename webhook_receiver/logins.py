"""Whose a webhook login is: one indexed look-up, remembered for seconds, and made again beside the requests.

Passwords are kept as hashes only, and decrypted only when the stored value has changed.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from hostaway_pipeline.errors import DatabaseUnavailable, KeyringError
from hostaway_pipeline.store.accounts.webhooks import Credential, SealedCredential
from webhook_receiver.bounded import Bounded

# From this age on a login is looked up again, beside the requests; requests wait for it from the second on, so that a
# removed account's is accepted no longer, however seldom somebody comes.
_FRESH_SECONDS, _OLDEST_SECONDS = 2.0, 4.0
# A login that is nobody's may become somebody's, but not by being tried: they are drawn by lot.
_UNKNOWN_SECONDS = 2.0
_MOST_KNOWN, _MOST_UNKNOWN = 50_000, 10_000
_MOST_PER_LOOK, _MOST_ASKED = 500, 2_000
# Logins that were never ours wait for each other: strangers cost the database this many looks a second, however many
# there are. A new account's first delivery to this process waits with them, and no other one.
_GATHER_SECONDS = 0.1
_LONGEST_LOGIN = 64
_NOBODY = hashlib.sha256(b"nobody").digest()

Find = Callable[[list[str]], list[SealedCredential]]
Open = Callable[[SealedCredential], Credential]


@dataclass(frozen=True, slots=True)
class _Known:
    """`problem` says why the password of this account, and of no other, does not decrypt."""

    account_id: int
    sealed: str
    digest: bytes
    problem: str | None
    read_at: float


class Logins:
    """`looks` counts the look-ups since the start: each is one statement for all the logins that were asked for."""

    def __init__(self, find: Find, open_: Open) -> None:
        self._find = find
        self._open = open_
        self._known: Bounded[str, _Known] = Bounded(_MOST_KNOWN)
        self._unknown: Bounded[str, float] = Bounded(_MOST_UNKNOWN)
        self._asked: dict[str, asyncio.Future[_Known | None]] = {}
        self._is_looking = self._is_gathering = False
        self._is_urgent = False  # somebody who waits is no stranger
        self._looked_at = float("-inf")
        self._thread = ThreadPoolExecutor(1, "logins")
        self.looks = 0

    async def account_of(self, login: str, password: str) -> int | None:
        """Whose they are, or None. Raises DatabaseUnavailable when only the database could tell, and KeyringError when
        this account's own password does not decrypt."""
        known = await self._looked_up(login)
        if known is not None and known.problem is not None:
            raise KeyringError(known.problem)
        digest = _NOBODY if known is None else known.digest
        is_right = hmac.compare_digest(hashlib.sha256(password.encode()).digest(), digest)
        return known.account_id if known is not None and is_right else None

    def close(self) -> None:
        self._thread.shutdown(wait=False)

    async def _looked_up(self, login: str) -> _Known | None:
        now = time.monotonic()
        known = self._known.get(login)
        if known is not None and now < known.read_at + _OLDEST_SECONDS:
            if now >= known.read_at + _FRESH_SECONDS:
                with suppress(DatabaseUnavailable):  # what is known is good enough for this request
                    self._ask(login, is_urgent=True)
            return known
        if known is None and (now < self._unknown.get(login, 0.0) or not _may_be_ours(login)):
            return None
        return await asyncio.shield(self._ask(login, is_urgent=known is not None))

    def _ask(self, login: str, *, is_urgent: bool) -> "asyncio.Future[_Known | None]":
        """One look-up at a time takes all who wait. `is_urgent`: at once, and not when strangers have gathered."""
        loop = asyncio.get_running_loop()
        asked = self._asked.get(login)
        if asked is None:
            if len(self._asked) >= _MOST_ASKED:
                raise DatabaseUnavailable("more logins are shown than the database can look up")
            self._is_urgent |= is_urgent
            asked = self._asked[login] = loop.create_future()
            asked.add_done_callback(lambda done: done.cancelled() or done.exception())  # maybe nobody waits for it
        self._begin(loop)
        return asked

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_looking or not self._asked:
            return
        rest = self._looked_at + _GATHER_SECONDS - time.monotonic()
        if rest <= 0 or self._is_urgent or len(self._asked) >= _MOST_PER_LOOK:
            self._is_looking, self._looked_at = True, time.monotonic()
            self._is_urgent = len(self._asked) > _MOST_PER_LOOK  # then the rest has waited long enough
            self.looks += 1
            self._thread.submit(self._look, list(islice(self._asked, _MOST_PER_LOOK)), loop)
        elif not self._is_gathering:
            self._is_gathering = True
            loop.call_later(rest, self._gathered, loop)

    def _gathered(self, loop: asyncio.AbstractEventLoop) -> None:
        """Strangers have waited long enough, too."""
        self._is_gathering, self._is_urgent = False, True
        self._begin(loop)

    def _look(self, logins: list[str], loop: asyncio.AbstractEventLoop) -> None:
        """In the thread. It tells the loop itself: futures between the two would cost more than the look-up's rest."""
        began = time.monotonic()
        found: Mapping[str, _Known] | Exception
        try:
            found = {one.login: self._opened(one, began) for one in self._find(logins)}
        except Exception as error:  # noqa: BLE001 (whatever it is, those who wait must hear of it)
            found = error
        loop.call_soon_threadsafe(self._end, logins, found, began, loop)

    def _end(
        self,
        logins: list[str],
        found: Mapping[str, _Known] | Exception,
        began: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        for login in logins:
            asked = self._asked.pop(login)
            if isinstance(found, Exception):
                asked.set_exception(found)
            else:
                self._remember(login, found.get(login), began)
                asked.set_result(found.get(login))
        self._is_looking = False
        self._begin(loop)

    def _remember(self, login: str, found: _Known | None, began: float) -> None:
        if found is not None:
            self._known[login] = found
        elif self._known.pop(login, None) is None:
            self._unknown[login] = began + _UNKNOWN_SECONDS

    def _opened(self, found: SealedCredential, began: float) -> _Known:
        known = self._known.get(found.login)
        if known is not None and known.sealed == found.sealed and known.account_id == found.account_id:
            return replace(known, read_at=began)
        try:
            digest, problem = hashlib.sha256(self._open(found).password.encode()).digest(), None
        except KeyringError as error:
            digest, problem = _NOBODY, str(error)
        return _Known(found.account_id, found.sealed, digest, problem, began)


def _may_be_ours(login: str) -> bool:
    return 0 < len(login) <= _LONGEST_LOGIN and login.isascii() and login.isprintable()
