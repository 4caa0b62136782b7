"""The webhook of each account: its credentials, encrypted, and what Hostaway last told about the registration."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.security.keyring import Keyring
from hostaway_pipeline.store.accounts.accounts import secret_place
from hostaway_pipeline.store.database import Database, query
from hostaway_pipeline.store.schema import accounts, webhook_heads

_PASSWORD_BYTES = 32
_LOGIN_BYTES = 8


@dataclass(frozen=True, slots=True)
class Credential:
    """What Hostaway may show us in the name of one account."""

    account_id: int
    login: str
    password: str

    def __repr__(self) -> str:
        return f"Credential(account_id={self.account_id})"


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """As it is stored: `sealed` is the encrypted password, and changes whenever the password does."""

    account_id: int
    login: str
    place: str
    sealed: str


@dataclass(frozen=True, slots=True)
class WebhookState:
    """What may be shown. `is_enabled` as Hostaway told at `checked_at`; `heard_at`: the newest event that came."""

    webhook_id: int | None
    is_enabled: bool | None
    checked_at: datetime | None
    heard_at: datetime | None
    log_id: int | None


class Webhooks:
    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def find(self, logins: list[str]) -> list[SealedCredential]:
        """Those of these logins that open the door, the ones that are being rotated out included; one round trip."""
        values = {"logins": logins}
        try:
            return self._find(values)
        except DatabaseUnavailable:  # a connection that the server closed meanwhile shows at its next use only
            return self._find(values)

    def _find(self, values: dict[str, Any]) -> list[SealedCredential]:
        with self._database.statement() as cursor:
            return [SealedCredential(*row) for row in cursor.execute(query("webhook_logins"), values)]

    def unseal(self, found: SealedCredential) -> Credential:
        """Raises KeyringError, which names the account."""
        return self._opened(found.account_id, found.place, found.login, found.sealed)

    def ensure_credential(self, account_id: int) -> Credential:
        """The account's present login and password, made when there are none."""
        with self._database.transaction() as connection:
            return self._present(connection, account_id)

    def rotate(self, account_id: int, overlap: timedelta) -> Credential:
        """A new login and password; the present ones stay valid for `overlap`, for deliveries that are on their way."""
        fresh = _new_credential(account_id)
        place = secret_place("webhook_previous_password", account_id)
        with self._database.transaction() as connection:
            present = self._present(connection, account_id)
            previous = {
                "webhook_previous_login": present.login,
                "webhook_previous_password": self._keyring.encrypt(present.password, place),
                "webhook_previous_until": func.now() + overlap,
            }
            _change(connection, account_id, self._sealed(fresh) | previous)
        return fresh

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
        with self._database.transaction() as connection:
            return WebhookState(*connection.execute(select(*columns).where(c.account_id == account_id)).one())

    def record_registration(self, account_id: int, webhook_id: int | None, *, is_enabled: bool | None) -> None:
        """What Hostaway tells of our registration just now."""
        values = {"webhook_id": webhook_id, "webhook_enabled": is_enabled, "webhook_checked_at": func.now()}
        self._update(account_id, values)

    def advance_log_id(self, account_id: int, newest_id: int) -> None:
        self._update(account_id, {"webhook_log_id": func.greatest(accounts.c.webhook_log_id, newest_id)})

    def _update(self, account_id: int, values: dict[str, Any]) -> None:
        with self._database.transaction() as connection:
            _change(connection, account_id, values)

    def _present(self, connection: Connection, account_id: int) -> Credential:
        """Under the row's lock until the end of the transaction."""
        c = accounts.c
        chosen = select(c.webhook_login, c.webhook_password).where(c.account_id == account_id).with_for_update()
        row = connection.execute(chosen).one()
        if row.webhook_login is not None and row.webhook_password is not None:
            return self._opened(account_id, "webhook_password", row.webhook_login, row.webhook_password)
        fresh = _new_credential(account_id)
        _change(connection, account_id, self._sealed(fresh))
        return fresh

    def _sealed(self, credential: Credential) -> dict[str, Any]:
        place = secret_place("webhook_password", credential.account_id)
        return {
            "webhook_login": credential.login,
            "webhook_password": self._keyring.encrypt(credential.password, place),
        }

    def _opened(self, account_id: int, column: str, login: str, sealed: str) -> Credential:
        return Credential(account_id, login, self._keyring.decrypt(sealed, secret_place(column, account_id)))


def _change(connection: Connection, account_id: int, values: dict[str, Any]) -> None:
    connection.execute(update(accounts).where(accounts.c.account_id == account_id).values(**values))


def _new_credential(account_id: int) -> Credential:
    """The login names no account: whoever guesses at the door learns nothing."""
    return Credential(account_id, secrets.token_hex(_LOGIN_BYTES), secrets.token_urlsafe(_PASSWORD_BYTES))
