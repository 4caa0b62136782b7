"""The API of one account. Each request waits for the rate limiter; the class of an error decides about its retry."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar

from hostaway_pipeline.client import endpoints
from hostaway_pipeline.client.answers import ApiObject, Page
from hostaway_pipeline.client.auth import UNUSABLE_SECONDS, Authenticator, request_token
from hostaway_pipeline.client.ports import Observer, RateLimiter, TokenStore
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.client.transport import Answer, Params, Transport
from hostaway_pipeline.domain.tokens import Token
from hostaway_pipeline.errors import Aborted, AccessDenied, ApiError, RateLimited, TransientApiError

T = TypeVar("T")
Method = Literal["POST", "PUT", "DELETE"]


class CallStats:
    """Counts requests and 429 answers, across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.api_calls = 0
        self.http_429 = 0

    def count_call(self) -> None:
        with self._lock:
            self.api_calls += 1

    def count_429(self) -> None:
        with self._lock:
            self.http_429 += 1


class HostawayClient:
    """Safe to share between threads; one keep-alive session. Leaving its block aborts what is still under way."""

    def __init__(
        self,
        account_id: int,
        *,
        base_url: str,
        tokens: TokenStore,
        limiter: RateLimiter,
        observer: Observer,
        concurrency: int,
        policy: RetryPolicy | None = None,
        read_seconds: float = 30.0,
    ) -> None:
        self.account_id = account_id
        self.concurrency = concurrency
        self.stats = CallStats()
        self._limiter = limiter
        self._observer = observer
        self._policy = policy or RetryPolicy()
        self._transport = Transport(base_url, connections=concurrency, read_seconds=read_seconds)
        self._auth = Authenticator(
            account_id, tokens, fetch=self._fetch_token, probe=self._probe_token, sleep=self._sleep
        )
        self._is_aborted = threading.Event()

    def __enter__(self) -> "HostawayClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()
        self._transport.close()

    def abort(self) -> None:
        """End all requests and all waits for slots, tokens and retries with Aborted, from any thread; start no more."""
        self._is_aborted.set()
        self._transport.abort()

    @contextmanager
    def abort_on_error(self) -> Iterator[None]:
        """Abort on any exception. Enter it inside a pool's block, so that the pool's threads end at once."""
        try:
            yield
        except BaseException:
            self.abort()
            raise

    def page(self, path: str, params: Params) -> Page:
        """One page of a list. Raises an ApiError when the retries are used up."""
        answer, read_at = self._call("GET", path, params=params, shape=list)
        rows: list[Mapping[str, Any]] = [row for row in answer.result if isinstance(row, dict)]
        return Page(rows, answer.count, read_at, dropped=len(answer.result) - len(rows))

    def pages(self, read: endpoints.ListRead) -> Iterator[Page]:
        """A list page by page, including the empty last one; the caller may stop earlier. Raises as `page` does."""
        return endpoints.paginate(partial(self._page_at, read))

    def whole_list(self, read: endpoints.ListRead, pool: Executor, *, to_the_end: bool = False) -> Iterator[Page]:
        """All pages of a list; by offset, several at a time. Raises as `page` does.

        `to_the_end`: read up to the empty page, even when the count is reached.
        """
        if read.by_position:
            return self.pages_by_position(read, to_the_end=to_the_end)
        fetch = partial(self._page_at, read)
        return endpoints.by_offset(fetch, pool, concurrency=self.concurrency, to_the_end=to_the_end)

    def pages_by_position(self, read: endpoints.ListRead, *, to_the_end: bool = False) -> Iterator[Page]:
        """All pages by `afterId`, in Hostaway's order. Raises as `page` does."""
        return endpoints.after_id(lambda position: self.page(read.path, read.after(position)), to_the_end=to_the_end)

    def probe(self) -> None:
        """Check that Hostaway answers this account, by reading one listing. Raises an ApiError."""
        self._page_at(endpoints.ONE_LISTING, 0)

    def get_object(self, path: str) -> ApiObject:
        """One object by its path. Raises NotFound when Hostaway does not have it, else as `page` does."""
        answer, read_at = self._call("GET", path, shape=dict)
        return ApiObject(answer.result, read_at)

    def write(
        self,
        method: Method,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        before_sending: Callable[[], None] = lambda: None,
    ) -> Mapping[str, Any]:
        """Create, change or delete an object; returns the object as Hostaway answers it, or an empty mapping.

        PUT and DELETE are retried as reads are. A POST is repeated only when it was certainly not accepted (429, or a
        refused token); after any other failure the caller has to check first. `before_sending` is called between the
        slot and each request; an exception from it prevents the request and propagates.
        """
        answer, _ = self._call(method, path, before_sending, json=body)
        return answer.result if isinstance(answer.result, dict) else {}

    def login(self, secret: str) -> Token:
        """Request a token with a secret that need not be stored yet, which shows whether the secret is right."""
        return self._fetch_token(secret)

    def _call(
        self, method: str, path: str, before_sending: Callable[[], None] = lambda: None, **request: Any
    ) -> tuple[Answer, datetime]:
        token = self._auth.token()
        try:
            return self._call_with(token, method, path, before_sending, **request)
        except AccessDenied as denial:
            return self._call_with(self._auth.replace(token, denial), method, path, before_sending, **request)

    def _call_with(
        self, token: Token, method: str, path: str, before_sending: Callable[[], None] = lambda: None, **request: Any
    ) -> tuple[Answer, datetime]:
        def send() -> Answer:
            sent_at = time.monotonic()
            answer = self._transport.call(method, path, token.value, **request)
            self._auth.record_success(token, sent_at)
            return answer

        return self._with_retries(method, path, send, before_sending)

    def _page_at(self, read: endpoints.ListRead, offset: int) -> Page:
        return self.page(read.path, read.at(offset))

    def _probe_token(self, token: Token) -> None:
        cheapest = endpoints.ONE_LISTING
        self._call_with(token, "GET", cheapest.path, params=cheapest.at(0), shape=list)

    def _fetch_token(self, secret: str) -> Token:
        # Passed as GET, which is retried: an unused token does no harm, unlike other repeated POSTs.
        token, _ = self._with_retries(
            "GET", endpoints.ACCESS_TOKENS, lambda: request_token(self._transport, self.account_id, secret)
        )
        self._observer.record_token_refresh()
        self._sleep(UNUSABLE_SECONDS)  # before any other thread or process can use it
        return token

    def _with_retries(
        self, method: str, path: str, send: Callable[[], T], before_sending: Callable[[], None] = lambda: None
    ) -> tuple[T, datetime]:
        """Send until it succeeds. Returns the answer and its slot: when it was requested, by the database's clock."""
        delays, refusals = self._policy.delays(), 0
        while True:
            self._sleep(0)
            slot = self._limiter.acquire(self.account_id, self._sleep)
            before_sending()
            self.stats.count_call()
            try:
                with self._observe(path):
                    return send(), slot
            except RateLimited as error:
                self.stats.count_429()
                self._limiter.record_refusal(self.account_id, slot, error.retry_at)
                refusals += 1
                if refusals >= self._policy.max_attempts_on_429:
                    raise
            except TransientApiError:
                wait = next(delays, None)
                if wait is None or method == "POST":
                    raise
                self._sleep(wait)

    def _sleep(self, seconds: float) -> None:
        """Wait; raises Aborted as soon as the client is aborted."""
        if self._is_aborted.wait(seconds):
            raise Aborted

    @contextmanager
    def _observe(self, path: str) -> Iterator[None]:
        began, outcome = time.monotonic(), "ok"
        try:
            yield
        except ApiError as error:
            outcome = type(error).__name__
            raise
        finally:
            self._observer.record_request(_template(path), outcome, time.monotonic() - began)


def _template(path: str) -> str:
    """Replace ids: `/conversations/5/messages` becomes `/conversations/{id}/messages`, which keeps metrics few."""
    return re.sub(r"/\d+", "/{id}", path)
