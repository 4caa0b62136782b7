"""Access tokens: one per account, encrypted, shared by all processes. Satisfies client.ports.TokenStore."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Row, select, update

from hostaway_pipeline.domain.tokens import FetchToken, Token
from hostaway_pipeline.errors import AccountError
from hostaway_pipeline.security.keyring import Keyring
from hostaway_pipeline.store.accounts.accounts import secret_place
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.locks import try_token_lock
from hostaway_pipeline.store.schema import accounts

# A token with less life than this is renewed, so that it cannot expire during a long read.
_MIN_LIFE = timedelta(minutes=10)
_POLL_SECONDS = 0.1


class Tokens:
    """Loads and renews access tokens; each account has one, which all processes use."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def load(self, account_id: int) -> Token | None:
        with self._database.autocommit() as connection:
            return self._decrypt(account_id, _credentials(connection, account_id))

    def refresh(
        self, account_id: int, stale: Token | None, fetch: FetchToken, sleep: Callable[[float], None] = time.sleep
    ) -> Token:
        """Replace `stale` by a fetched token, unless another process has stored a newer one meanwhile.

        `fetch` runs under the account's token lock, and returns once the token is usable: no other process sees it
        earlier. That may take minutes, so this polls for the lock with `sleep`: a wait in Postgres cannot be aborted.
        """
        while (token := self._try_refresh(account_id, stale, fetch)) is None:
            sleep(_POLL_SECONDS)
        return token

    def _try_refresh(self, account_id: int, stale: Token | None, fetch: FetchToken) -> Token | None:
        """None while another process holds the lock."""
        with self._database.transaction() as connection:
            if not try_token_lock(connection, account_id):
                return None
            row = _credentials(connection, account_id)
            current = self._decrypt(account_id, row)
            if current is not None and (stale is None or current.value != stale.value):
                return current
            secret = self._keyring.decrypt(row.client_secret, secret_place("client_secret", account_id))
            token = fetch(secret)
            self._store(connection, account_id, token)
            return token

    def save(self, account_id: int, token: Token) -> None:
        """Store a token that was fetched to check a new secret."""
        with self._database.transaction() as connection:
            self._store(connection, account_id, token)

    def _store(self, connection: Connection, account_id: int, token: Token) -> None:
        sealed = self._keyring.encrypt(token.value, secret_place("access_token", account_id))
        connection.execute(
            update(accounts)
            .where(accounts.c.account_id == account_id)
            .values(access_token=sealed, token_expires_at=token.expires_at)
        )

    def _decrypt(self, account_id: int, row: Row[str, str | None, datetime | None]) -> Token | None:
        """None when no token is stored, or when it expires soon."""
        sealed, expires_at = row.access_token, row.token_expires_at
        if sealed is None or expires_at is None or expires_at < datetime.now(UTC) + _MIN_LIFE:
            return None
        return Token(self._keyring.decrypt(sealed, secret_place("access_token", account_id)), expires_at)


def _credentials(connection: Connection, account_id: int) -> Row[str, str | None, datetime | None]:
    columns = (accounts.c.client_secret, accounts.c.access_token, accounts.c.token_expires_at)
    row = connection.execute(select(*columns).where(accounts.c.account_id == account_id)).one_or_none()
    if row is None or row.client_secret is None:
        raise AccountError(
            f"account {account_id} has no client secret; add it with `hostaway accounts add {account_id}`"
        )
    return row
