"""The token's life cycle: fetched once, kept for months, usable from its second second on, replaced when it is refused.

Nothing tells a 403 about the token from one about an object (a locked reservation). So after a 403 one cheap list is
asked for with the same token: if that works, the token was good all along, since a revoked one never comes back. A
success shortly before proves nothing (it may have been revoked since), nor does the token's age.
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
# A token that is refused again and again is not the cause: stop asking for new ones.
_MOST_REFRESHES = 5


def request_token(transport: Transport, account_id: int, secret: str) -> Token:
    """A new token, not usable for UNUSABLE_SECONDS. Raises InvalidCredentials, or a TransientApiError."""
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
    """The token of one account in one process: cached in memory, shared through the store."""

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
        self._worked: tuple[str, float] | None = None
        self._store = store
        self._fetch = fetch
        self._sleep = sleep
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._refreshes = 0

    def token(self) -> Token:
        with self._lock:
            if self._token is None:
                self._token = self._store.load(self._account_id) or self._refreshed(None)
            return self._token

    def record_success(self, token: Token, sent_at: float) -> None:
        """A request that was sent with this token at this monotonic moment has succeeded."""
        self._worked = (token.value, sent_at)

    def replace(self, refused: Token, denial: AccessDenied) -> Token:
        """A token other than the refused one. The threads that were refused together share one probe and one refresh.

        Raises the denial itself when the token is not the reason: because it works, or because so many were refused.
        """
        refused_at = time.monotonic()
        with self._lock:
            if self._token is not None and self._token.value != refused.value:
                return self._token
            if self._refreshes >= _MOST_REFRESHES or self._works(refused, refused_at):
                raise denial
            self._refreshes += 1
            self._token = self._refreshed(refused)
            return self._token

    def _works(self, token: Token, since: float) -> bool:
        """Whether a request has succeeded that was sent with it after that moment. Raises a TransientApiError."""
        if not self._has_worked(token, since):
            try:
                self._probe(token)
            except AccessDenied:
                return False
        return self._has_worked(token, since)

    def _has_worked(self, token: Token, since: float) -> bool:
        if self._worked is None:
            return False
        value, sent_at = self._worked
        return value == token.value and sent_at >= since

    def _refreshed(self, stale: Token | None) -> Token:
        return self._store.refresh(self._account_id, stale, self._fetch, self._sleep)
