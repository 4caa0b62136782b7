"""Checks the encryption keys at a start, and re-encrypts all stored secrets with the active key.

The columns that hold secrets are listed here; single secrets are read and written where they are used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from hostaway_pipeline.errors import KeyringError
from hostaway_pipeline.security.keyring import Keyring, stored_key_id
from hostaway_pipeline.store.accounts.accounts import secret_place
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.schema import accounts, key_canaries, suppressed_guests

SECRET_COLUMNS = ("client_secret", "access_token", "webhook_password", "webhook_previous_password")
_BATCH = 200


@dataclass(slots=True)
class Rotation:
    """Numbers of secrets, not of rows. `failures` name the place and the reason, never a secret."""

    rotated: int = 0
    skipped: int = 0
    failures: list[str] | None = None

    def fail(self, reason: str) -> None:
        self.failures = [*(self.failures or []), reason]


class Secrets:
    """All stored secrets, and a canary for each key that has encrypted one: a known text encrypted with it."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def check(self) -> None:
        """Raises KeyringError naming the key that is missing or wrong; stores a canary for a new active key."""
        with self._database.transaction() as connection:
            self._verify(connection)
            active = self._keyring.active_id
            values = {"key_id": active, "ciphertext": self._keyring.canary(active)}
            connection.execute(insert(key_canaries).values(values).on_conflict_do_nothing())

    def verify(self) -> None:
        """Check without storing anything."""
        with self._database.transaction() as connection:
            self._verify(connection)

    def _verify(self, connection: Connection) -> None:
        canaries = _canaries(connection)
        for key_id in self._keyring.ids:
            if key_id in canaries:
                self._keyring.check_canary(key_id, canaries[key_id])
        missing = sorted(set(canaries) - set(self._keyring.ids))
        if missing:
            raise KeyringError(
                f"HOSTAWAY_ENCRYPTION_KEYS: key {', '.join(map(repr, missing))} is missing, and stored secrets "
                f"need it; the setting has {', '.join(map(repr, self._keyring.ids))}"
            )

    def rotate(self, *, dry_run: bool = False) -> Iterator[Rotation]:
        """Re-encrypt all secrets with the active key, in batches of accounts, and encrypt those still in plain text.

        Yields the running totals after each batch. When no secret needs an older key any more, its canary is deleted,
        and the key may be removed from the setting. Rotation may be repeated.
        """
        total, last = Rotation(), -(2**63)
        while True:
            with self._database.transaction() as connection:
                rows = _batch(connection, last)
                for row in rows:
                    changes = self._reencrypt(row, total)
                    if changes and not dry_run:
                        chosen = accounts.c.account_id == row["account_id"]
                        connection.execute(update(accounts).where(chosen).values(**changes))
            if not rows:
                break
            last = rows[-1]["account_id"]
            yield total
        if not dry_run and not total.failures:
            self._delete_old_canaries()
        yield total

    def _reencrypt(self, row: dict[str, Any], total: Rotation) -> dict[str, str]:
        changes: dict[str, str] = {}
        for column in SECRET_COLUMNS:
            stored = row[column]
            if stored is None:
                continue
            key_id = stored_key_id(stored)
            place = secret_place(column, row["account_id"])
            try:
                plaintext = stored if key_id is None else self._keyring.decrypt(stored, place)
            except KeyringError as error:
                total.fail(str(error))
                continue
            if key_id == self._keyring.active_id:
                total.skipped += 1
            else:
                changes[column] = self._keyring.encrypt(plaintext, place)
                total.rotated += 1
        return changes

    def _delete_old_canaries(self) -> None:
        """But not of keys that the hashes of erased guests need: hashes cannot be made anew without the guests."""
        needed = select(suppressed_guests.c.key_id)
        old = key_canaries.c.key_id.notin_([self._keyring.active_id]) & key_canaries.c.key_id.notin_(needed)
        with self._database.transaction() as connection:
            connection.execute(delete(key_canaries).where(old))


def is_in_use(database: Database) -> bool:
    """Whether any key has been used with this database; False before the first migration."""
    with database.transaction() as connection:
        exists = connection.execute(select(func.to_regclass(str(key_canaries)))).scalar_one() is not None
        return exists and bool(_canaries(connection))


def _canaries(connection: Connection) -> dict[str, str]:
    return {row.key_id: row.ciphertext for row in connection.execute(select(key_canaries))}


def _batch(connection: Connection, after: int) -> list[dict[str, Any]]:
    columns = (accounts.c.account_id, *(accounts.c[name] for name in SECRET_COLUMNS))
    batch = (
        select(*columns)
        .where(accounts.c.account_id > after, func.num_nonnulls(*columns[1:]) > 0)
        .order_by(accounts.c.account_id)
        .limit(_BATCH)
        .with_for_update()
    )
    return [dict(row) for row in connection.execute(batch).mappings()]
