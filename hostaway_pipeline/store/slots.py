"""The rate limiter: permissions (slots) kept in Postgres, one queue per account and one per outgoing IP address.

Satisfies client.ports.RateLimiter for any number of threads and processes. No connection is held while sleeping.
"""

import time
from datetime import datetime
from typing import Any

from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.database import Database, query

# What may lie between the moment of a slot and the moment the server counts: waking up, the way, its own stalls.
MARGIN_SECONDS = 0.3
# A sleeper that wakes up later than this has lost its turn: a late request would crowd the next window.
_LATEST_START = 0.2


class PostgresSlots:
    """`ip` and `account` are the limits that Hostaway enforces; the margin is kept on top of their windows."""

    def __init__(self, database: Database, *, egress: str, ip: RateLimit, account: RateLimit) -> None:
        self._database = database
        self._egress = egress
        self._ip = ip
        self._account = account

    def acquire(self, account_id: int) -> None:
        """Wait for the account's slot first, then for the IP's.

        In this order an account at its limit holds no permission of the IP that others could use.
        """
        account = f"account:{account_id}"
        while True:
            planned, wait = self._take(account, self._account)
            _sleep(wait)
            actual, wait = self._take(self._ip_scope, self._ip)
            if wait > 0:
                self._run("move_slot", {"scope": account, "planned": planned, "actual": actual})
            if _sleep(wait) <= _LATEST_START:
                return

    def pause(self, account_id: int, until: datetime | None) -> None:
        """Which of the two limits was hit does not show in a 429, so both scopes wait."""
        scopes = [f"account:{account_id}", self._ip_scope]
        window = max(self._ip.seconds, self._account.seconds)
        self._run("pause_scopes", {"scopes": scopes, "until": until, "window": window})

    @property
    def _ip_scope(self) -> str:
        return f"ip:{self._egress}"

    def _take(self, scope: str, limit: RateLimit) -> tuple[datetime, float]:
        window = limit.seconds + MARGIN_SECONDS
        found = self._run("take_slot", {"scope": scope, "limit": limit.requests, "window": window})
        return found[0], found[1]

    def _run(self, name: str, values: dict[str, Any]) -> Any:
        # Losing the last permissions in a server crash costs nothing, waiting for the disk at each would.
        with self._database.unsynced() as cursor:
            cursor.execute(query(name), values)
            return cursor.fetchone() if cursor.description else None


def _sleep(seconds: float) -> float:
    """Returns how much too late it woke up, in seconds."""
    if seconds <= 0:
        return 0.0
    end = time.monotonic() + seconds
    time.sleep(seconds)
    return max(0.0, time.monotonic() - end)
