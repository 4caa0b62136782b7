"""The token's life cycle: fetched once, kept for months, usable from its second second on."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hostaway_pipeline.client.ports import Sleep, TokenStore
from hostaway_pipeline.client.transport import Transport
from hostaway_pipeline.domain.tokens import Token
from hostaway_pipeline.errors import AccessDenied, GarbledBody, InvalidCredentials

# Hostaway refuses a token during the first second after it was issued.
UNUSABLE_SECONDS = 1.05
# A token that is refused again and again is not the cause: stop asking for new ones.
_MOST_REFRESHES = 5


def ask_for_token(transport: Transport, account_id: int, secret: str) -> Token:
    """A new token, not usable for UNUSABLE_SECONDS. Raises InvalidCredentials, or a TransientApiError."""
    form = {
        "grant_type": "client_credentials",
        "client_id": str(account_id),
        "client_secret": secret,
        "scope": "general",
    }
    try:
        body = transport.post_form("/accessTokens", form)
    except InvalidCredentials:
        raise InvalidCredentials(
            f"account {account_id}: Hostaway does not accept this client secret; check it in Hostaway's dashboard, "
            f"then `hostaway accounts set-secret {account_id}` replaces the stored one"
        ) from None
    value, lifetime = body.get("access_token"), body.get("expires_in")
    if not isinstance(value, str) or not isinstance(lifetime, int | float):
        raise GarbledBody("POST /accessTokens: the answer lacks access_token or expires_in")
    return Token(value, datetime.now(UTC) + timedelta(seconds=lifetime))


class Authenticator:
    """The token of one account in one process: cached in memory, shared through the store."""

    def __init__(self, account_id: int, store: TokenStore, fetch: Callable[[str], Token], sleep: Sleep) -> None:
        self._account_id = account_id
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

    def replace(self, refused: Token, denial: AccessDenied) -> Token:
        """A token other than the refused one. The threads that were refused together share one refresh.

        Raises the denial itself when so many tokens were refused that the token cannot be the reason: a 403
        may also be about a locked reservation or a listing that the key may not see.
        """
        with self._lock:
            if self._token is not None and self._token.value != refused.value:
                return self._token
            if self._refreshes >= _MOST_REFRESHES:
                raise denial
            self._refreshes += 1
            self._token = self._refreshed(refused)
            return self._token

    def _refreshed(self, stale: Token | None) -> Token:
        return self._store.refresh(self._account_id, stale, self._fetch, self._sleep)
