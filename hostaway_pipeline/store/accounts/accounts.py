"""Stores the accounts that are synced. Client secrets are encrypted with the keyring before they are stored."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.vocabulary import AccountState
from hostaway_pipeline.errors import AccountError
from hostaway_pipeline.security.keyring import Keyring, Place
from hostaway_pipeline.store.accounts.removal import delete_account
from hostaway_pipeline.store.cadences import request_of
from hostaway_pipeline.store.database import Database, driver, query, values_of
from hostaway_pipeline.store.schema import accounts, row_counts, sweeps, sync_runs


@dataclass(frozen=True, slots=True)
class Account:
    """An account without its secrets."""

    account_id: int
    customer_id: UUID
    name: str | None
    is_active: bool
    last_sync_at: datetime | None
    created_at: datetime
    failures: int
    paused_until: datetime | None

    def state(self, now: datetime) -> AccountState:
        if not self.is_active:
            return "removed"
        return "paused" if self.is_paused(now) else "active"

    def is_paused(self, now: datetime) -> bool:
        """Whether the circuit breaker is open."""
        return self.pause_left(now) > timedelta(0)

    def pause_left(self, now: datetime) -> timedelta:
        """Time until the circuit breaker closes; zero when it is not open."""
        return max(timedelta(0), (self.paused_until or now) - now)

    def require_unpaused(self, now: datetime) -> None:
        """Raises AccountError while the circuit breaker is open."""
        if self.is_paused(now):
            raise AccountError(
                f"account {self.account_id} failed {self.failures} times in a row and is paused until "
                f"{self.paused_until:%Y-%m-%d %H:%M:%S} UTC; `hostaway sync {self.account_id}` tries it now"
            )


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """One line of `accounts list`. `rows`: live rows per entity; `last_status` is None when no sync has run."""

    account: Account
    rows: dict[str, int]
    last_status: str | None
    last_error: str | None


_CLEARED_AT_REMOVAL = (
    "client_secret",
    "access_token",
    "token_expires_at",
    "webhook_id",
    "webhook_login",
    "webhook_password",
    "webhook_previous_login",
    "webhook_previous_password",
    "webhook_previous_until",
    "webhook_enabled",
)
_SHOWN = [accounts.c[name] for name in Account.__dataclass_fields__]


def secret_place(column: str, account_id: int) -> Place:
    return Place("accounts", column, account_id)


class Accounts:
    """Adds, changes, lists and removes accounts, and records how their syncs end."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def require_absent(self, account_id: int) -> None:
        """Raises AccountError when the account is active, as `add` would, but before Hostaway is asked for a token."""
        if any(account.account_id == account_id for account in self.active()):
            raise _exists(account_id)

    def add(self, account_id: int, secret: str, *, name: str | None, customer_id: UUID | None, is_due: bool) -> Account:
        """Insert an account, or bring back a removed one with its rows. `is_due`: request its first sync.

        Raises AccountError when the account is active.
        """
        values: dict[str, Any] = {
            "client_secret": self._keyring.encrypt(secret, secret_place("client_secret", account_id)),
            "is_active": True,
            "failures": 0,
            "paused_until": None,
        }
        given = {"name": name, "customer_id": customer_id}
        values |= {key: value for key, value in given.items() if value is not None}
        statement = (
            insert(accounts)
            .values(account_id=account_id, **values)
            .on_conflict_do_update(
                index_elements=[accounts.c.account_id],
                set_={**values, "updated_at": func.now()},
                where=~accounts.c.is_active,
            )
            .returning(*_SHOWN)
        )
        with self._database.transaction() as connection:
            row = connection.execute(statement).one_or_none()
            if row is not None and is_due:
                connection.execute(request_of(account_id, "reconcile"))
        if row is None:
            raise _exists(account_id)
        return Account(*values_of(row))

    def change_secret(self, account_id: int, secret: str) -> None:
        """Store a secret that Hostaway has accepted, and close the circuit breaker."""
        sealed = self._keyring.encrypt(secret, secret_place("client_secret", account_id))
        self._change(account_id, {"client_secret": sealed, "failures": 0, "paused_until": None})

    def rename(self, account_id: int, name: str | None) -> None:
        self._change(account_id, {"name": name})

    def get(self, account_id: int) -> Account:
        """Raises AccountError for an account that is unknown or was removed."""
        with self._database.autocommit() as connection:
            row = connection.execute(select(*_SHOWN).where(accounts.c.account_id == account_id)).one_or_none()
        if row is None:
            raise AccountError(f"account {account_id} is not known; add it with `hostaway accounts add {account_id}`")
        if not row.is_active:
            raise AccountError(f"account {account_id} was removed; `hostaway accounts add {account_id}` brings it back")
        return Account(*values_of(row))

    def names(self, account_ids: Collection[int]) -> dict[int, str]:
        """Names by account id, of those accounts that have one."""
        named = accounts.c.account_id.in_(account_ids) & accounts.c.name.is_not(None)
        with self._database.autocommit() as connection:
            return dict(connection.execute(select(accounts.c.account_id, accounts.c.name).where(named)).all())

    def active(self) -> list[Account]:
        with self._database.autocommit() as connection:
            rows = connection.execute(select(*_SHOWN).where(accounts.c.is_active).order_by(accounts.c.account_id))
            return [Account(*values_of(row)) for row in rows]

    def overview(self, account_id: int | None = None) -> list[AccountOverview]:
        """All accounts, removed ones included, or one of them, with the numbers of their rows and their last runs."""
        with self._database.transaction() as connection:
            found = connection.execute(
                select(*_SHOWN).where(_is(accounts.c.account_id, account_id)).order_by(accounts.c.account_id)
            ).all()
            counts = select(row_counts.c.account_id, row_counts.c.entity, func.sum(row_counts.c.live))
            counts = counts.where(_is(row_counts.c.account_id, account_id))
            counted = connection.execute(counts.group_by(row_counts.c.account_id, row_counts.c.entity))
            rows = {(row[0], row[1]): int(row[2]) for row in counted}
            newest = driver(connection).cursor().execute(query("newest_runs"), {"account_id": account_id})
            last = {row[0]: (row[1], row[2]) for row in newest}
        return [
            AccountOverview(
                Account(*values_of(row)),
                {name: rows.get((row.account_id, name), 0) for name in ENTITIES},
                *last.get(row.account_id, (None, None)),
            )
            for row in found
        ]

    def remove(self, account_id: int, *, hard: bool) -> None:
        """Stop syncing and forget the secrets; with `hard`, delete the account and its rows from every table.

        A running sync ends at its next write. A hard removal that was interrupted goes on when it is repeated.
        """
        cleared = dict.fromkeys(_CLEARED_AT_REMOVAL) | {"is_active": False, "updated_at": func.now()}
        ended = {"status": "interrupted", "finished_at": func.now(), "error": "the account was removed"}
        with self._database.transaction() as connection:
            removed = update(accounts).where(accounts.c.account_id == account_id).values(cleared)
            if connection.execute(removed).rowcount == 0:
                raise AccountError(f"account {account_id} is not known")
            is_running = (sync_runs.c.account_id == account_id) & (sync_runs.c.status == "running")
            connection.execute(update(sync_runs).where(is_running).values(ended))
        if hard:
            delete_account(self._database, account_id)

    def mark_failed(self, account_id: int, *, pause: timedelta | None) -> None:
        """Count one more failure in a row; with `pause`, open the circuit breaker for that time."""
        until = None if pause is None else func.now() + pause
        with self._database.autocommit() as connection:
            connection.execute(
                update(accounts)
                .where(accounts.c.account_id == account_id)
                .values(failures=accounts.c.failures + 1, paused_until=until)
            )

    def mark_synced(self, account_id: int) -> None:
        """Set last_sync_at to the oldest of the four entities' newest complete sweeps, once all four have one.

        A sweep that held deletions back does not count: its list was not believed.
        """
        finished = (
            select(func.min(sweeps.c.finished_at))
            .where(sweeps.c.account_id == account_id, sweeps.c.is_complete, sweeps.c.held_back == 0)
            .having(func.count() == len(ENTITIES))
            .scalar_subquery()
        )
        with self._database.autocommit() as connection:
            connection.execute(
                update(accounts)
                .where(accounts.c.account_id == account_id)
                .values(last_sync_at=func.coalesce(finished, accounts.c.last_sync_at), failures=0, paused_until=None)
            )

    def _change(self, account_id: int, values: dict[str, Any]) -> None:
        with self._database.transaction() as connection:
            chosen = accounts.c.account_id == account_id
            connection.execute(update(accounts).where(chosen).values(**values, updated_at=func.now()))


def _is(column: Column[int], account_id: int | None) -> ColumnElement[bool]:
    return true() if account_id is None else column == account_id


def _exists(account_id: int) -> AccountError:
    return AccountError(f"account {account_id} exists already; `hostaway accounts remove {account_id}` removes it")
