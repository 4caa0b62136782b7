"""Takes guests out of what is stored already: rows of the copy, inbox, outbox and the tables with personal columns.

Every step may be repeated, and finds by itself what is left to do. The models without personal columns follow with the
next build, because the rows below them have changed.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import orjson
import psycopg
from psycopg import sql
from sqlalchemy import Connection

from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES, MESSAGES, RESERVATIONS, Entity
from hostaway_pipeline.domain.erasure import IsErased, identities, own_identities, without_guest
from hostaway_pipeline.domain.events import payload_without_guest
from hostaway_pipeline.domain.guests import Identifier, identifiers
from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.schema import SCHEMA
from hostaway_pipeline.store.suppression import Suppression
from hostaway_pipeline.store.suppression_file import read_entries, write_entries

Cursor = psycopg.Cursor[Any]
Step = Callable[[Cursor, dict[str, Any]], int]
_BATCH = 500  # rows per transaction
# Tables from which texts go at once: those of the models are built by dbt, and need not exist.
_TEXTS = {
    RESERVATIONS.name: ("pii.guest_identity", "hostaway.reservation_finance_lines"),
    MESSAGES.name: ("pii.message_body",),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What one account holds of some guests, by ids. `guests`: identifiers by which a returning guest is recognised."""

    account_id: int
    reservations: Sequence[int] = ()
    conversations: Sequence[int] = ()
    messages: Sequence[int] = ()
    outbound_messages: Sequence[int] = ()
    webhook_events: Sequence[int] = ()
    guests: Sequence[Identifier] = ()

    def counts(self) -> dict[str, int]:
        names = (field.name for field in fields(self) if field.name != "account_id")
        return {name: len(getattr(self, name)) for name in names}


class Erasure:
    """Finds and removes guests. Large results are read in one go: ids and identifiers of one account."""

    def __init__(self, database: Database, suppression: Suppression, home: Path) -> None:
        self._database = database
        self._suppression = suppression
        self._home = home

    def named_by(
        self, *, account_id: int | None, reservation_id: int | None, email: str | None
    ) -> dict[int, list[Identifier]]:
        """The identities of the reservations with this id or address, by account; of an enquiry's account, none."""
        named: dict[int, list[Identifier]] = {}
        values = {"account_id": account_id, "reservation_id": reservation_id, "email": email}
        for own_id, row_id, *rest in self._rows("reservations_of_guest", values):
            named.setdefault(own_id, []).extend([*own_identities(RESERVATIONS.name, row_id), *identifiers(*rest)])
        for (own_id,) in self._rows("conversations_of_guest", values):
            named.setdefault(own_id, [])
        return named

    def find(self, account_id: int, is_erased: IsErased) -> Found:
        """Everything of the account that names one of these guests, whether or not it was erased already."""
        own = {"account_id": account_id}
        reservations, named, their_ids = set[int](), set[Identifier](), set[Identifier]()
        names_them = _either(is_erased, their_ids)
        for row_id, *rest in self._rows("identifiers_of_reservations", own):
            if is_erased([*own_identities(RESERVATIONS.name, row_id), *identifiers(*rest)]):
                reservations.add(row_id)
                named.update(identifiers(*rest))
        their_ids.update(i for row_id in reservations for i in own_identities(RESERVATIONS.name, row_id))
        threads = self._rows("identities_of_conversations", own)
        conversations = [row_id for row_id, payload in threads if names_them(identities(CONVERSATIONS.name, payload))]
        their_ids.update(i for row_id in conversations for i in own_identities(CONVERSATIONS.name, row_id))
        theirs = own | {"reservations": list(reservations), "conversations": conversations}
        events = self._rows("identities_of_events", own)
        guests = [Identifier(*row) for row in self._rows("identifiers_of_guests", own)]
        return Found(
            account_id,
            sorted(reservations),
            conversations,
            [row_id for (row_id,) in self._rows("messages_of_guest", theirs)],
            [row_id for (row_id,) in self._rows("outbound_messages_of_guest", theirs)],
            [
                row_id
                for row_id, event, payload in events
                if payload_without_guest(event, payload, names_them) is not None
            ],
            [guest for guest in guests if guest in named or is_erased([guest])],
        )

    def erase(self, account_id: int) -> dict[str, int]:
        """Take the account's erased guests out of everything; returns how many rows that changed, by table."""
        with self._database.transaction() as connection:
            erased = self._suppression.erased_of(driver(connection).cursor(), account_id)
        if erased is None:
            return Found(account_id).counts()
        found = self.find(account_id, erased)
        own = [i for row_id in found.reservations for i in own_identities(RESERVATIONS.name, row_id)]
        own += [i for row_id in found.conversations for i in own_identities(CONVERSATIONS.name, row_id)]
        if unknown := [identity for identity in own if not erased.has(identity)]:
            self._suppression.add(account_id, unknown)
        steps: dict[str, tuple[Step, Sequence[int]]] = {
            "reservations": (partial(_rewrite, RESERVATIONS), found.reservations),
            "conversations": (partial(_rewrite, CONVERSATIONS), found.conversations),
            "messages": (partial(_rewrite, MESSAGES), found.messages),
            "outbound_messages": (_empty_outbound, found.outbound_messages),
            "webhook_events": (partial(_rewrite_events, _either(erased, frozenset(own))), found.webhook_events),
        }
        counts = {name: self._in_batches(account_id, *step) for name, step in steps.items()}
        counts["guests"] = self._database.run(partial(_forget, account_id, found))
        return counts

    def repeat(self) -> int:
        """Erase all erased guests again: a message may have been stored before its reservation named the guest.

        Returns how many rows that changed.
        """
        accounts = sorted({entry.account_id for entry in self._suppression.entries()})
        self.keep()
        return sum(sum(self.erase(account_id).values()) for account_id in accounts)

    def forget_tombstones(self, age: timedelta) -> int:
        """Take the guests out of objects that were deleted at Hostaway so long ago; returns how many rows that changed.

        What the rows say of dates and money stays, and so does every figure of the past.
        """
        changed = 0
        for entity in (RESERVATIONS, CONVERSATIONS, MESSAGES):
            with self._database.transaction() as connection:
                cursor = driver(connection).cursor()
                found = cursor.execute(query("old_tombstones", entity.name), {"age": age}).fetchall()
            changed += sum(self._in_batches(account_id, partial(_rewrite, entity), ids) for account_id, ids in found)
        self._database.run(lambda connection: driver(connection).cursor().execute(query("forget_strangers")))
        return changed

    def keep(self) -> None:
        """Write the list of erased guests to the file that no backup restores."""
        known = read_entries(self._home)
        if not (entries := self._suppression.entries()) <= known:
            write_entries(self._home, entries | known)

    def restore(self) -> None:
        """Erase again whom the file names and the database has lost, because a backup was restored."""
        kept = read_entries(self._home)
        lost = kept - self._suppression.entries() if kept else kept
        accounts = {account_id for (account_id,) in self._rows("account_ids", {})} if lost else set()
        if here := [entry for entry in lost if entry.account_id in accounts]:
            for account_id in self._suppression.load(here):
                self.erase(account_id)

    def _rows(self, name: str, values: dict[str, Any]) -> list[Any]:
        with self._database.transaction() as connection:
            return driver(connection).cursor().execute(query(name), values).fetchall()

    def _in_batches(self, account_id: int, step: Step, ids: Sequence[int]) -> int:
        batches = (list(ids[start : start + _BATCH]) for start in range(0, len(ids), _BATCH))
        return sum(self._database.run(partial(_take, step, {"account_id": account_id, "ids": ids})) for ids in batches)


def _either(is_erased: IsErased, ids: AbstractSet[Identifier]) -> IsErased:
    """Also guests by these ids, which may become more."""
    return lambda named: not ids.isdisjoint(named) or is_erased(named)


def _take(step: Step, rows: dict[str, Any], connection: Connection) -> int:
    return step(driver(connection).cursor(), rows)


def _rewrite(entity: Entity, cursor: Cursor, rows: dict[str, Any]) -> int:
    """Returns how many rows have changed: those that named the guest until now."""
    changes = []
    for row_id, text in cursor.execute(query("rows_to_rewrite", entity.name), rows).fetchall():
        stored = orjson.loads(text)
        kept = without_guest(entity.name, stored)
        row = entity.row(kept)
        if row is not None and kept != stored:
            changes.append((row.payload, row.content_hash, *row.values, rows["account_id"], row_id))
    for name in _TEXTS.get(entity.name, ()):
        if _exists(cursor, name):
            cursor.execute(query(f"erase_{name.replace('.', '_')}"), rows)
    if changes:
        cursor.executemany(_update_statement(entity.name), changes)
    return len(changes)


@cache
def _update_statement(name: str) -> str:
    columns = ("raw_payload", "content_hash", *ENTITIES[name].columns)
    assignments = [sql.SQL("{} = %s").format(sql.Identifier(column)) for column in columns]
    if name == RESERVATIONS.name:
        assignments.append(sql.Composed([sql.SQL("guest_id = NULL")]))
    statement = sql.SQL("UPDATE {} SET {}, updated_at = now() WHERE account_id = %s AND id = %s")
    return statement.format(sql.Identifier(SCHEMA, name), sql.SQL(", ").join(assignments)).as_string()


def _exists(cursor: Cursor, table: str) -> bool:
    return cursor.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,)


def _empty_outbound(cursor: Cursor, rows: dict[str, Any]) -> int:
    return cursor.execute(query("empty_outbound_messages"), rows).rowcount


def _rewrite_events(is_erased: IsErased, cursor: Cursor, rows: dict[str, Any]) -> int:
    changes = []
    for row_id, event, text in cursor.execute(query("events_to_rewrite"), rows).fetchall():
        stored = orjson.loads(text)
        kept = payload_without_guest(event, stored, is_erased)
        if kept is not None and kept != stored:
            changes.append((orjson.dumps(kept).decode(), row_id))
    if changes:
        cursor.executemany("UPDATE hostaway.webhook_events SET payload = %s, error = NULL WHERE id = %s", changes)
    return len(changes)


def _forget(account_id: int, found: Found, connection: Connection) -> int:
    """Delete the guests' identifiers and the fingerprints of their events; returns how many identifiers."""
    cursor = driver(connection).cursor()
    objects = [*found.reservations, *found.messages]
    cursor.execute(query("forget_heads"), {"account_id": account_id, "objects": objects})
    kinds, values = [guest.kind for guest in found.guests], [guest.value for guest in found.guests]
    named = {"account_id": account_id, "kinds": kinds, "identifiers": values}
    return cursor.execute(query("forget_guests"), named).rowcount
