"""HostawayClient: the reads of one account. Every request passes the limiter, every failure is retried by its class."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hostaway_pipeline.client.auth import Authenticator, fetch_token
from hostaway_pipeline.client.ports import RateLimiter, TokenStore
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.client.transport import Answer, Params, Transport
from hostaway_pipeline.domain.tokens import Token
from hostaway_pipeline.errors import AccessDenied, GarbledBody, RateLimited, TransientApiError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `count` is the server's count of the whole list, where it gives one."""

    rows: list[Mapping[str, Any]]
    count: int | None


class CallStats:
    """Requests sent and answers 429, counted across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.api_calls = 0
        self.http_429 = 0

    def sent(self) -> None:
        with self._lock:
            self.api_calls += 1

    def limited(self) -> None:
        with self._lock:
            self.http_429 += 1


class HostawayClient:
    """Safe to share between threads; one keep-alive session; close it when done."""

    def __init__(
        self,
        account_id: int,
        *,
        base_url: str,
        tokens: TokenStore,
        limiter: RateLimiter,
        concurrency: int,
        policy: RetryPolicy | None = None,
        read_seconds: float = 30.0,
    ) -> None:
        self.account_id = account_id
        self.concurrency = concurrency
        self.stats = CallStats()
        self._limiter = limiter
        self._policy = policy or RetryPolicy()
        self._transport = Transport(base_url, connections=concurrency, read_seconds=read_seconds)
        self._auth = Authenticator(account_id, tokens, self._fetch_token)

    def __enter__(self) -> "HostawayClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def page(self, path: str, params: Params) -> Page:
        """One page of a list. Raises an ApiError once the retries are used up."""
        answer = self._get(path, params)
        if not isinstance(answer.result, list):
            raise GarbledBody(f"GET {path}: the result is not a list")
        return Page([row for row in answer.result if isinstance(row, dict)], answer.count)

    def login(self, secret: str) -> Token:
        """A new token for a secret that need not be stored yet: the way to learn whether it is right."""
        return self._fetch_token(secret)

    def _get(self, path: str, params: Params) -> Answer:
        token = self._auth.token()
        try:
            return self._with_retries(lambda: self._transport.get(path, params, token.value))
        except AccessDenied as denial:
            fresh = self._auth.replace(token, denial)
            return self._with_retries(lambda: self._transport.get(path, params, fresh.value))

    def _fetch_token(self, secret: str) -> Token:
        return self._with_retries(lambda: fetch_token(self._transport, self.account_id, secret))

    def _with_retries(self, send: Callable[[], T]) -> T:
        waits, limited = self._policy.waits(), 0
        while True:
            slot = self._limiter.acquire(self.account_id)
            self.stats.sent()
            try:
                return send()
            except RateLimited as error:
                self.stats.limited()
                self._limiter.refused(self.account_id, slot, error.retry_at)
                limited += 1
                if limited >= self._policy.attempts_when_limited:
                    raise
            except TransientApiError:
                wait = next(waits, None)
                if wait is None:
                    raise
                time.sleep(wait)
