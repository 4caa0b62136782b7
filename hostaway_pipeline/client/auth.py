"""Access tokens: fetched once, kept for months, usable one second after they were issued, replaced when refused.

A 403 about the token looks like one about an object (a locked reservation). So after a 403 the client reads one cheap
list with the same token: if that succeeds, the token is good, since a revoked one never becomes valid again. An
earlier success proves nothing (the token may have been revoked since), nor does the token's age.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hostaway_pipeline.client.endpoints import ACCESS_TOKENS
from hostaway_pipeline.client.ports import Sleep, TokenStore
from hostaway_pipeline.client.transport import Transport
from hostaway_pipeline.domain.tokens import Token
from hostaway_pipeline.errors import AccessDenied, GarbledBody, InvalidCredentials

# Hostaway refuses a token during the first second after it was issued.
UNUSABLE_SECONDS = 1.05
# When new tokens keep being refused, the token is not the cause: stop requesting more.
_MAX_REFRESHES = 5


def request_token(transport: Transport, account_id: int, secret: str) -> Token:
    """Request a token, usable after UNUSABLE_SECONDS. Raises InvalidCredentials or TransientApiError."""
    form = {
        "grant_type": "client_credentials",
        "client_id": str(account_id),
        "client_secret": secret,
        "scope": "general",
    }
    try:
        body = transport.post_form(ACCESS_TOKENS, form)
    except InvalidCredentials:
        raise InvalidCredentials(
            f"account {account_id}: Hostaway does not accept this client secret; check it in Hostaway's dashboard, "
            f"then `hostaway accounts set-secret {account_id}` replaces the stored one"
        ) from None
    value, lifetime = body.get("access_token"), body.get("expires_in")
    if not isinstance(value, str) or not isinstance(lifetime, int | float):
        raise GarbledBody(f"POST {ACCESS_TOKENS}: the answer lacks access_token or expires_in")
    return Token(value, datetime.now(UTC) + timedelta(seconds=lifetime))


class Authenticator:
    """The token of one account: cached in this process, shared with others through the store."""

    def __init__(
        self,
        account_id: int,
        store: TokenStore,
        *,
        fetch: Callable[[str], Token],
        probe: Callable[[Token], None],
        sleep: Sleep,
    ) -> None:
        """`probe` reads something that every valid token may read; it raises AccessDenied or calls `record_success`."""
        self._account_id = account_id
        self._probe = probe
        self._last_success: tuple[str, float] | None = None
        self._store = store
        self._fetch = fetch
        self._sleep = sleep
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._refreshes = 0

    def token(self) -> Token:
        """The cached token, else the stored one, else a new one."""
        with self._lock:
            if self._token is None:
                self._token = self._store.load(self._account_id) or self._refresh(None)
            return self._token

    def record_success(self, token: Token, sent_at: float) -> None:
        """Note that a request with this token succeeded; `sent_at` is monotonic."""
        self._last_success = (token.value, sent_at)

    def replace(self, refused: Token, denial: AccessDenied) -> Token:
        """Return another token than the refused one. Threads that were refused together share one probe and refresh.

        Raises `denial` when the token is not the cause: it still works, or too many were refused already.
        """
        refused_at = time.monotonic()
        with self._lock:
            if self._token is not None and self._token.value != refused.value:
                return self._token
            if self._refreshes >= _MAX_REFRESHES or self._verify(refused, refused_at):
                raise denial
            self._refreshes += 1
            self._token = self._refresh(refused)
            return self._token

    def _verify(self, token: Token, since: float) -> bool:
        """Whether a request with this token after `since` succeeded; probes if none did. Raises TransientApiError."""
        if not self._has_succeeded(token, since):
            try:
                self._probe(token)
            except AccessDenied:
                return False
        return self._has_succeeded(token, since)

    def _has_succeeded(self, token: Token, since: float) -> bool:
        if self._last_success is None:
            return False
        value, sent_at = self._last_success
        return value == token.value and sent_at >= since

    def _refresh(self, stale: Token | None) -> Token:
        return self._store.refresh(self._account_id, stale, self._fetch, self._sleep)
