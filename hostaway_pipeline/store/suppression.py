"""The list of erased guests, against which everything is held that is about to be stored.

Who stores something asks `erased_of` in the same transaction. `add` waits for all such transactions, so that none that
has not seen the new entries can store anything after them.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg

from hostaway_pipeline.domain.guests import Identifier
from hostaway_pipeline.security.keyring import Keyring
from hostaway_pipeline.security.pseudonyms import Pseudonyms
from hostaway_pipeline.store.database import Database, driver, query


@dataclass(frozen=True, slots=True)
class Entry:
    """An identity of an erased guest."""

    account_id: int
    kind: str
    key_id: str
    hash: bytes


class Erased:
    """The erased guests of one account: `erased(identities)` tells whether one of the identities is theirs."""

    def __init__(self, account_id: int, entries: Iterable[tuple[str, bytes]], keyring: Keyring) -> None:
        self._account_id = account_id
        self._hashes = frozenset(entries)
        self._pseudonyms = [Pseudonyms(keyring, key_id) for key_id in {key_id for key_id, _ in self._hashes}]

    def __call__(self, identities: Iterable[Identifier]) -> bool:
        return any(self.has(identity) for identity in identities)

    def has(self, identity: Identifier) -> bool:
        return any((each.key_id, each.of(self._account_id, identity)) in self._hashes for each in self._pseudonyms)


class Suppression:
    """The list. The keyring is loaded once an account has an erased guest, or gets one."""

    def __init__(self, database: Database, load_keyring: Callable[[], Keyring]) -> None:
        self._database = database
        self._load_keyring = load_keyring

    def erased_of(self, cursor: psycopg.Cursor[Any], account_id: int) -> Erased | None:
        """The account's erased guests, None if it has none. They stay those until the cursor's transaction ends."""
        found = cursor.execute(query("suppressed_guests"), {"account_id": account_id}).fetchall()
        return Erased(account_id, found, self._keyring) if found else None

    def extend(self, cursor: psycopg.Cursor[Any], account_id: int, identities: Iterable[Identifier]) -> None:
        """Add identities of guests that are erased already, of which the caller has just stored all that names them."""
        self._insert(cursor, self._entries(account_id, identities))

    def add(self, account_id: int, identities: Iterable[Identifier]) -> None:
        """Add identities. From the return on, nothing is stored that names them; what was stored before still is.

        Raises DatabaseConflict while a transaction that has read the list lasts, such as a dump.
        """
        self.load(self._entries(account_id, identities))

    def load(self, entries: Collection[Entry]) -> list[int]:
        """As `add`, but not for accounts that do not exist; returns the accounts whose list became longer."""
        return self._database.run(lambda connection: self._load(driver(connection).cursor(), entries))

    def entries(self) -> set[Entry]:
        with self._database.autocommit() as connection:
            found = driver(connection).cursor().execute(query("all_suppressed_guests"))
            return {Entry(*row) for row in found}

    def _load(self, cursor: psycopg.Cursor[Any], entries: Collection[Entry]) -> list[int]:
        cursor.execute("SET LOCAL lock_timeout = '500ms'")
        cursor.execute("LOCK TABLE hostaway.suppressed_guests IN ACCESS EXCLUSIVE MODE")
        return self._insert(cursor, entries)

    def _entries(self, account_id: int, identities: Iterable[Identifier]) -> list[Entry]:
        pseudonyms = Pseudonyms(self._keyring)
        return [
            Entry(account_id, identity.kind, pseudonyms.key_id, pseudonyms.of(account_id, identity))
            for identity in dict.fromkeys(identities)
        ]

    @staticmethod
    def _insert(cursor: psycopg.Cursor[Any], entries: Collection[Entry]) -> list[int]:
        values = {
            "account_ids": [entry.account_id for entry in entries],
            "kinds": [entry.kind for entry in entries],
            "key_ids": [entry.key_id for entry in entries],
            "hashes": [entry.hash for entry in entries],
        }
        return sorted({account_id for (account_id,) in cursor.execute(query("suppress_guests"), values)})

    @cached_property
    def _keyring(self) -> Keyring:
        return self._load_keyring()
