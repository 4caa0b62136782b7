"""The protocols that the client depends on. `store` implements them, services.py passes them in."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from hostaway_pipeline.domain.tokens import FetchToken, Token

# Waits for a number of seconds; an exception ends the wait early.
Sleep = Callable[[float], None]


class TokenStore(Protocol):
    def load(self, account_id: int) -> Token | None:
        """The stored token; None when there is none, or it expires within minutes."""

    def refresh(self, account_id: int, stale: Token | None, fetch: FetchToken, sleep: Sleep) -> Token:
        """Replace `stale` by what `fetch` returns. One process fetches; the others wait for its token with `sleep`."""


class Observer(Protocol):
    """Counts requests and token refreshes."""

    def record_request(self, path: str, outcome: str, seconds: float) -> None:
        """`path` is a template without ids; `outcome` is `ok` or the class of the error."""

    def record_token_refresh(self) -> None: ...


class RateLimiter(Protocol):
    def acquire(self, account_id: int, sleep: Sleep) -> datetime:
        """Wait with `sleep` until one request of this account fits its limit and the IP's; return that slot."""

    def record_refusal(self, account_id: int, sent_at: datetime, until: datetime | None) -> None:
        """Record that the request of this slot got a 429: send nothing before `until` (None: no time was given)."""
