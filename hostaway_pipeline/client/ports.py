"""What the client needs from its surroundings. `store` satisfies these protocols; wiring.py brings the two together."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from hostaway_pipeline.domain.tokens import FetchToken, Token

# How to wait for so many seconds; raises what ends the wait early.
Sleep = Callable[[float], None]


class TokenStore(Protocol):
    def load(self, account_id: int) -> Token | None:
        """The stored token, or None when there is none that will live for some more minutes."""

    def refresh(self, account_id: int, stale: Token | None, fetch: FetchToken, sleep: Sleep) -> Token:
        """Replace `stale` by what `fetch` returns, once among all processes: whoever comes second gets the first's.

        Waits for others with `sleep`.
        """


class Observer(Protocol):
    """Whoever counts what goes over the wire."""

    def record_request(self, path: str, outcome: str, seconds: float) -> None:
        """`path` is a template without ids; `outcome` is `ok` or the class of the error."""

    def record_token_refresh(self) -> None: ...


class RateLimiter(Protocol):
    def acquire(self, account_id: int, sleep: Sleep) -> datetime:
        """Return when one request of this account may be sent, by its limit and the IP's; returns the slot.

        Waits with `sleep`.
        """

    def record_refusal(self, account_id: int, sent_at: datetime, until: datetime | None) -> None:
        """The request of this slot was answered 429: nobody sends before `until` (None: it named no time)."""
