"""Stores each account's webhook: its encrypted credentials, and the registration as Hostaway last reported it."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.security.keyring import Keyring
from hostaway_pipeline.store.accounts.accounts import secret_place
from hostaway_pipeline.store.database import Database, query, values_of
from hostaway_pipeline.store.schema import accounts, webhook_heads

_PASSWORD_BYTES = 32
_LOGIN_BYTES = 8


@dataclass(frozen=True, slots=True)
class Credential:
    """The login and password with which Hostaway delivers the events of one account."""

    account_id: int
    login: str
    password: str

    def __repr__(self) -> str:
        return f"Credential(account_id={self.account_id})"


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A stored credential. `sealed` is the encrypted password; `place` is its column, which the encryption binds."""

    account_id: int
    login: str
    place: str
    sealed: str


@dataclass(frozen=True, slots=True)
class WebhookState:
    """The registration without secrets. `is_enabled`: as Hostaway reported at `checked_at`.

    `heard_at`: when the newest event came; `log_id`: the newest past delivery that was checked.
    """

    webhook_id: int | None
    is_enabled: bool | None
    checked_at: datetime | None
    heard_at: datetime | None
    log_id: int | None


class Webhooks:
    """Finds, creates and rotates webhook credentials, and records registrations."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def find(self, logins: list[str]) -> list[SealedCredential]:
        """The valid credentials with these logins, including those being rotated out, in one round trip."""
        values = {"logins": logins}
        try:
            return self._find(values)
        except DatabaseUnavailable:  # a pooled connection may have been closed by the server
            return self._find(values)

    def _find(self, values: dict[str, Any]) -> list[SealedCredential]:
        with self._database.statement() as cursor:
            return [SealedCredential(*row) for row in cursor.execute(query("webhook_logins"), values)]

    def unseal(self, credential: SealedCredential) -> Credential:
        """Decrypt the password. Raises KeyringError, which names the account."""
        return self._unseal(credential.account_id, credential.place, credential.login, credential.sealed)

    def ensure_credential(self, account_id: int) -> Credential:
        """The account's current login and password; creates them when there are none."""
        with self._database.transaction() as connection:
            return self._ensure_credential(connection, account_id)

    def rotate(self, account_id: int, overlap: timedelta) -> Credential:
        """Create a new login and password; the current ones stay valid for `overlap`, for deliveries in flight."""
        fresh = _new_credential(account_id)
        place = secret_place("webhook_previous_password", account_id)
        with self._database.transaction() as connection:
            current = self._ensure_credential(connection, account_id)
            previous = {
                "webhook_previous_login": current.login,
                "webhook_previous_password": self._keyring.encrypt(current.password, place),
                "webhook_previous_until": func.now() + overlap,
            }
            _update(connection, account_id, self._seal(fresh) | previous)
        return fresh

    def accept_also(self, account_id: int, login: str, password: str, valid: timedelta) -> None:
        """Accept deliveries with this login, too, for as long: one that another program had registered."""
        place = secret_place("webhook_previous_password", account_id)
        sealed = self._keyring.encrypt(password, place)
        values = {"webhook_previous_login": login, "webhook_previous_password": sealed}
        with self._database.transaction() as connection:
            self._ensure_credential(connection, account_id)  # an account without one accepts nothing
            _update(connection, account_id, values | {"webhook_previous_until": func.now() + valid})

    def state(self, account_id: int) -> WebhookState:
        c = accounts.c
        heard = select(func.max(webhook_heads.c.received_at)).where(webhook_heads.c.account_id == account_id)
        columns = (
            c.webhook_id,
            c.webhook_enabled,
            c.webhook_checked_at,
            heard.scalar_subquery(),
            c.webhook_log_id,
        )
        with self._database.autocommit() as connection:
            return WebhookState(
                *values_of(connection.execute(select(*columns).where(c.account_id == account_id)).one())
            )

    def record_registration(self, account_id: int, webhook_id: int | None, *, is_enabled: bool | None) -> None:
        """Record what Hostaway reports about our registration now; `webhook_id` None: there is none."""
        values = {"webhook_id": webhook_id, "webhook_enabled": is_enabled, "webhook_checked_at": func.now()}
        self._change(account_id, values)

    def advance_log_id(self, account_id: int, newest_id: int) -> None:
        """Record that past deliveries up to this one were checked."""
        self._change(account_id, {"webhook_log_id": func.greatest(accounts.c.webhook_log_id, newest_id)})

    def _change(self, account_id: int, values: dict[str, Any]) -> None:
        with self._database.transaction() as connection:
            _update(connection, account_id, values)

    def _ensure_credential(self, connection: Connection, account_id: int) -> Credential:
        """Locks the account's row until the transaction ends."""
        c = accounts.c
        chosen = select(c.webhook_login, c.webhook_password).where(c.account_id == account_id).with_for_update()
        row = connection.execute(chosen).one()
        if row.webhook_login is not None and row.webhook_password is not None:
            return self._unseal(account_id, "webhook_password", row.webhook_login, row.webhook_password)
        fresh = _new_credential(account_id)
        _update(connection, account_id, self._seal(fresh))
        return fresh

    def _seal(self, credential: Credential) -> dict[str, Any]:
        place = secret_place("webhook_password", credential.account_id)
        return {
            "webhook_login": credential.login,
            "webhook_password": self._keyring.encrypt(credential.password, place),
        }

    def _unseal(self, account_id: int, column: str, login: str, sealed: str) -> Credential:
        return Credential(account_id, login, self._keyring.decrypt(sealed, secret_place(column, account_id)))


def _update(connection: Connection, account_id: int, values: dict[str, Any]) -> None:
    connection.execute(update(accounts).where(accounts.c.account_id == account_id).values(**values))


def _new_credential(account_id: int) -> Credential:
    """The login does not name the account, so that guessing logins reveals nothing."""
    return Credential(account_id, secrets.token_hex(_LOGIN_BYTES), secrets.token_urlsafe(_PASSWORD_BYTES))
