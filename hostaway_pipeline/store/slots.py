"""The rate limiter: gives slots, each the permission for one request, per account and per outgoing IP address.

Satisfies client.ports.RateLimiter for all threads and processes: slots are in Postgres. Sleeps without a connection.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hostaway_pipeline.domain.limits import MARGIN_SECONDS, RateLimit
from hostaway_pipeline.store.database import Database, query

Sleep = Callable[[float], None]
# A caller that wakes up later than this takes a new slot: its late request would overfill the next window.
_LATEST_START = 0.2
# Two slots this close are one moment: a fifteenth of the margin that is added to each window.
_NEGLIGIBLE = timedelta(seconds=0.02)
# A learned pace rises after this time without a 429; if the server really is that slow, each rise costs one pause.
_QUIET_SECONDS = 300
# For this time after interactive work, this share of a limit is kept free for more of it.
_INTERACTIVE_SECONDS, _INTERACTIVE_SHARE = 60, 0.1
# Seconds between two looks of work that takes spare slots only.
_SPARE_PAUSE = 0.5
# Hostaway's limit of sent messages per account.
SENDS = RateLimit(30, 60)
# The limits that Hostaway published until 2026-08: no learned pace falls below them.
_SLOWEST_IP, _SLOWEST_ACCOUNT = RateLimit(15, 10), RateLimit(20, 10)


@dataclass(frozen=True, slots=True)
class ScopeState:
    """`used` of `allowed` requests in the newest window; `allowed` is the learned pace where that is lower."""

    scope: str
    used: int
    allowed: int
    configured: RateLimit
    paused_until: datetime | None


class Slots:
    """`ip` and `account` are Hostaway's limits; MARGIN_SECONDS is added to their windows.

    `interactive`: somebody waits for the answer, so its requests go ahead of background requests that wait.
    `share`: a request waits while this share of the IP's limit is used up; the rest is kept for more urgent work.
    `is_spare`: take only what is free at the moment, so that nobody ever waits for this work.
    """

    def __init__(
        self,
        database: Database,
        *,
        egress: str,
        ip: RateLimit,
        account: RateLimit,
        interactive: bool = False,
        share: float = 1.0,
        is_spare: bool = False,
    ) -> None:
        self._database = database
        self._share = share
        self._ip_scope = f"ip:{egress}"
        self._ip = ip
        self._account = account
        self._statement = "take_interactive_slot" if interactive else "take_slot"
        self._is_spare = is_spare

    def acquire(self, account_id: int, sleep: Sleep = time.sleep) -> datetime:
        """Wait for a slot of the account, then of the IP; returns the time of sending, by the database's clock.

        In this order an account at its limit holds no slot of the IP that others could use. A paused scope may mean
        minutes, which `sleep` may end with an exception.
        """
        account = _account_scope(account_id)
        while True:
            planned, wait = self._take(account, self._account)
            _wait(wait, sleep)
            actual, wait = self._take_spare(sleep) if self._is_spare else self._take(self._ip_scope, self._ip)
            if actual - planned > _NEGLIGIBLE:
                self._run("move_slot", {"scope": account, "planned": planned, "actual": actual})
            if _wait(wait, sleep) <= _LATEST_START:
                return actual

    def record_refusal(self, account_id: int, sent_at: datetime, until: datetime | None) -> None:
        """After a 429 for the request of this slot: pause all processes until `until`, and lower the pace."""
        limits = (self._account, self._ip)
        slowest = (_SLOWEST_ACCOUNT, _SLOWEST_IP)
        window = max(limit.seconds for limit in limits) + MARGIN_SECONDS
        self._run(
            "slow_down",
            {
                "scopes": [_account_scope(account_id), self._ip_scope],
                "limits": [limit.requests for limit in limits],
                "floors": [_floor(limit, least) for limit, least in zip(limits, slowest, strict=True)],
                "window": window,
                "sent_at": sent_at,
                "until": until,
            },
        )
        self._run("share_address", {"scope": self._ip_scope, "window": window})

    def acquire_send(self, account_id: int, sleep: Sleep = time.sleep) -> None:
        """Wait until one more message may be sent for this account. Its request needs a slot of `acquire` as well."""
        _, wait = self._take(_send_scope(account_id), SENDS)
        _wait(wait, sleep)

    def record_send_refusal(self, account_id: int, sent_at: datetime, until: datetime | None) -> None:
        """After a 429 for a sent message: another program sends for this account. Pause sending, not reading."""
        values = {"scopes": [_send_scope(account_id)], "limits": [SENDS.requests], "floors": [SENDS.requests]}
        self._run("slow_down", values | {"window": SENDS.seconds, "sent_at": sent_at, "until": until})

    def ip_state(self) -> ScopeState:
        """The scope of this process's outgoing IP."""
        values = {"pattern": self._ip_scope, "window": self._ip.seconds, "limit": self._ip.requests}
        with self._database.unsynced() as cursor:
            row = cursor.execute(query("scope_states"), values).fetchone()
        scope, used, allowed, until = row or (self._ip_scope, 0, self._ip.requests, None)
        return ScopeState(scope, used, allowed, self._ip, until)

    def states(self) -> list[ScopeState]:
        """Every known scope of this IP and of the accounts, busiest first."""
        states: list[ScopeState] = []
        with self._database.unsynced() as cursor:
            for limit, pattern in ((self._ip, self._ip_scope), (self._account, "account:%")):
                values = {"pattern": pattern, "window": limit.seconds, "limit": limit.requests}
                rows = cursor.execute(query("scope_states"), values).fetchall()
                states += [ScopeState(scope, used, allowed, limit, until) for scope, used, allowed, until in rows]
        return states

    def _take_spare(self, sleep: Sleep) -> tuple[datetime, float]:
        """Look again and again until a slot of the IP is free."""
        window = self._ip.seconds + MARGIN_SECONDS
        values = {"scope": self._ip_scope, "limit": self._ip.requests, "window": window, "share": self._share}
        while (slot := self._run("take_spare_slot", values)) is None:
            sleep(_SPARE_PAUSE)
        slot_at, wait = slot
        return slot_at, wait

    def _take(self, scope: str, limit: RateLimit) -> tuple[datetime, float]:
        window = limit.seconds + MARGIN_SECONDS
        values = {
            "scope": scope,
            "limit": limit.requests,
            "window": window,
            "quiet": _QUIET_SECONDS,
            "interactive_for": _INTERACTIVE_SECONDS,
            "reserve": math.ceil(limit.requests * _INTERACTIVE_SHARE),
            "share": self._share if scope == self._ip_scope else 1.0,
        }
        slot_at, wait = self._run(self._statement, values)
        return slot_at, wait

    def _run(self, name: str, values: dict[str, Any]) -> Any:
        # A server crash may lose the newest slots, which is harmless; waiting for the disk at each slot is not.
        with self._database.unsynced() as cursor:
            cursor.execute(query(name), values)
            return cursor.fetchone() if cursor.description else None


class SendSlots:
    """The rate limiter of a client that sends one message after `acquire_send`; satisfies client.ports.RateLimiter.

    Look-ups come between the two waits: the first may take minutes, and a slot must be used at once.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def acquire(self, account_id: int, sleep: Sleep = time.sleep) -> datetime:
        return self._slots.acquire(account_id, sleep)

    def record_refusal(self, account_id: int, sent_at: datetime, until: datetime | None) -> None:
        self._slots.record_send_refusal(account_id, sent_at, until)


def _account_scope(account_id: int) -> str:
    return f"account:{account_id}"


def _send_scope(account_id: int) -> str:
    return f"send:{account_id}"


def _floor(limit: RateLimit, slowest: RateLimit) -> int:
    """The requests of the slowest limit, converted to this limit's window."""
    return min(limit.requests, math.ceil(slowest.requests * limit.seconds / slowest.seconds))


def _wait(seconds: float, sleep: Sleep) -> float:
    """Sleep; returns how many seconds too late it woke up."""
    if seconds <= 0:
        return 0.0
    end = time.monotonic() + seconds
    sleep(seconds)
    return max(0.0, time.monotonic() - end)
