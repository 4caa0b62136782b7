"""A guest who was erased is stored by no way again: pages, events, deliveries, completed answers."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES, RESERVATIONS, Entity
from hostaway_pipeline.domain.guests import Identifier
from hostaway_pipeline.errors import DatabaseConflict, KeyringError
from hostaway_pipeline.security.keyring import Keyring, generate_key
from hostaway_pipeline.store.accounts.secrets import Secrets
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.erasure import Erasure
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.suppression import Suppression
from tests.factories import ENCRYPTION_KEYS, reservation, rows
from tests.integration.store.inbox_steps import accept, delivery, stored

MARK = "Zoraida"
GUEST = {"guestName": MARK, "guestEmail": "zoraida@x.example", "phone": "+49 171 555 0199", "hostNote": f"for {MARK}"}
EMAIL, ID = Identifier("email", "zoraida@x.example"), Identifier("reservation", "1")


@pytest.fixture
def suppression(database: Database, database_url: str) -> Suppression:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1), (2) RETURNING 1")
    return Suppression(database, lambda: Keyring.parse(ENCRYPTION_KEYS))


@pytest.fixture
def tables(database: Database, suppression: Suppression) -> PullWriter:
    return PullWriter(database, Owner(1, UUID(int=7), suppression=suppression))


def merged(tables: PullWriter, entity: Entity, *payloads: dict[str, Any]) -> None:
    tables.merge(entity, [row for payload in payloads if (row := entity.row(payload)) is not None])


def dump(url: str) -> Iterator[str]:
    tables = rows(url, "SELECT relname FROM pg_class WHERE relnamespace = 'hostaway'::regnamespace AND relkind = 'r'")
    for table in tables:
        yield from (str(row) for row in rows(url, f"SELECT t::text FROM hostaway.{table['relname']} AS t"))


def hits(url: str, *texts: str) -> int:
    return sum(text in row for row in dump(url) for text in texts)


@pytest.mark.parametrize("identity", [EMAIL, ID, Identifier("phone", "491715550199"), Identifier("channel", "2000:g7")])
def test_an_erased_guest_is_recognised_by_each_identity(
    tables: PullWriter, suppression: Suppression, database_url: str, identity: Identifier
) -> None:
    suppression.add(1, [identity])
    guest = reservation(1, **GUEST, guestExternalAccountId="g7", guestNote=MARK, confirmationCode="ZZ81")
    merged(tables, RESERVATIONS, guest, reservation(2, guestName="Bob", guestEmail="bob@x.example"))
    assert hits(database_url, MARK, "zoraida@", "171 555", "g7", "ZZ81") == 0
    first, second = rows(database_url, "SELECT * FROM hostaway.reservations ORDER BY id")
    assert (first["guest_id"], first["status"], first["total_price"]) == (None, "new", second["total_price"])
    assert (second["guest_name"], second["guest_email"]) == ("Bob", "bob@x.example")
    assert second["guest_id"] is not None


def test_what_belongs_to_the_reservation_is_stored_without_its_text(
    tables: PullWriter, suppression: Suppression, database_url: str
) -> None:
    """The list holds the address only; the reservation brings its own id, the conversation its own."""
    suppression.add(1, [EMAIL])
    merged(tables, RESERVATIONS, reservation(1, **GUEST))
    thread = {"reservationId": 1, "recipientName": MARK, "recipientPicture": MARK}
    merged(
        tables,
        CONVERSATIONS,
        {"id": 5, **thread},
        {"id": 6, **thread, "reservationId": 2, "recipientName": "Bob", "recipientPicture": None},
    )
    message = {"id": 8, "conversationId": 5, "body": f"I am {MARK}", "isIncoming": 1, "date": "2026-06-02 10:00:00"}
    merged(tables, MESSAGES, message, message | {"id": 9, "conversationId": 6, "body": "I am Bob"})
    assert hits(database_url, MARK) == 0
    found = rows(database_url, "SELECT id, body, is_incoming, sent_at IS NULL AS is_lost FROM hostaway.messages")
    assert sorted(found, key=str) == [
        {"id": 8, "body": None, "is_incoming": True, "is_lost": False},
        {"id": 9, "body": "I am Bob", "is_incoming": True, "is_lost": False},
    ]


def test_a_row_that_names_the_guest_loses_it_with_the_next_answer(
    tables: PullWriter, suppression: Suppression, database_url: str
) -> None:
    """An answer that lacks keys is completed with stored ones; the guest's are not among them, the money is."""
    lines = [{"id": 3, "name": "baseRate", "title": MARK, "type": "price", "total": 9.5}]
    merged(tables, RESERVATIONS, reservation(1, **GUEST, guestNote=MARK, financeField=lines))
    suppression.add(1, [ID])
    merged(tables, RESERVATIONS, reservation(1, guestName=MARK))
    found = rows(database_url, "SELECT raw_payload FROM hostaway.reservations")[0]["raw_payload"]
    assert MARK not in str(found)
    assert found["financeField"] == [{"id": 3, "name": "baseRate", "type": "price", "total": 9.5}]
    before = rows(database_url, "SELECT xmin::text FROM hostaway.reservations")
    merged(tables, RESERVATIONS, reservation(1, **GUEST, guestNote="another note"))
    assert rows(database_url, "SELECT xmin::text FROM hostaway.reservations") == before, "no change for us"


def test_another_account_is_not_concerned(database: Database, suppression: Suppression, database_url: str) -> None:
    suppression.add(2, [EMAIL, ID])
    merged(PullWriter(database, Owner(1, UUID(int=7), suppression=suppression)), RESERVATIONS, reservation(1, **GUEST))
    assert hits(database_url, MARK) > 0


def test_deliveries_of_an_erased_guest_are_stored_without_the_guest(
    database: Database, suppression: Suppression, database_url: str
) -> None:
    suppression.add(1, [EMAIL])
    inbox = Inbox(database, suppression)
    bob = delivery(2, guestName="Bob")
    other = delivery(1, account_id=2, guestName="Carl")
    assert accept(inbox, delivery(1, **GUEST), bob, other, delivery(3, event="task.created", title=MARK)) == 4
    assert accept(inbox, delivery(1, **GUEST), bob, other) == 0, "repetitions"
    assert accept(inbox, delivery(1, **GUEST | {"hostNote": "new"})) == 0, "nothing that is kept has changed"
    assert hits(database_url, MARK, "zoraida@") == 0
    names = {
        (event["account_id"], event["object_id"]): event["payload"].get("guestName") for event in stored(database_url)
    }
    assert names == {(1, 1): None, (1, 2): "Bob", (2, 1): "Carl", (1, 3): None}


def test_hashes_are_keyed(suppression: Suppression, database: Database, database_url: str) -> None:
    suppression.add(1, [EMAIL, ID])
    suppression.add(2, [EMAIL])
    suppression.add(1, [EMAIL])
    assert len({row["hash"] for row in rows(database_url, "SELECT hash FROM hostaway.suppressed_guests")}) == 3
    other = Suppression(database, lambda: Keyring.parse("other:" + "A" * 43 + "="))
    with database.transaction() as connection, pytest.raises(KeyringError, match="'test' is missing"):
        other.erased_of(connection.connection.driver_connection.cursor(), 1)


def test_an_entry_waits_for_those_who_have_not_seen_it(suppression: Suppression, database_url: str) -> None:
    """Otherwise a merge that has looked at the list before could store the guest afterwards."""
    with psycopg.connect(database_url) as merging:
        merging.execute("SELECT FROM hostaway.suppressed_guests")
        with pytest.raises(DatabaseConflict):
            suppression.add(1, [EMAIL])
    suppression.add(1, [EMAIL])


def test_old_tombstones_lose_their_guests(
    tables: PullWriter, database: Database, suppression: Suppression, database_url: str, tmp_path: Path
) -> None:
    """Dates and money stay. A guest who has another reservation is still recognised."""
    erasure, bob = Erasure(database, suppression, tmp_path), {"guestName": "Bob", "guestEmail": "bob@x.example"}
    merged(tables, RESERVATIONS, reservation(1, **GUEST), reservation(2, **bob), reservation(3, **bob))
    deleted = "now() - interval '100 days'"
    rows(database_url, f"UPDATE hostaway.reservations SET deleted_at = {deleted}, updated_at = {deleted} "
         "WHERE id IN (1, 2) RETURNING 1")  # fmt: skip
    assert erasure.forget_tombstones(timedelta(days=101)) == 0
    assert erasure.forget_tombstones(timedelta(days=99)) == 2
    assert erasure.forget_tombstones(timedelta(days=99)) == 0, "nothing is left to do"
    assert hits(database_url, MARK, "zoraida@", "491715550199") == 0
    found = rows(database_url, "SELECT guest_name, total_price > 0 AS is_priced FROM hostaway.reservations ORDER BY id")
    assert [tuple(row.values()) for row in found] == [(None, True), (None, True), ("Bob", True)]
    assert rows(database_url, "SELECT identifier FROM hostaway.guests") == [{"identifier": "bob@x.example"}]


def test_merges_during_an_erasure_store_nothing_of_the_guest(
    tables: PullWriter, database: Database, suppression: Suppression, database_url: str, tmp_path: Path
) -> None:
    """Whatever the order: a merge that came before is rewritten, one that comes after asks the list."""
    erasure, inbox = Erasure(database, suppression, tmp_path), Inbox(database, suppression)
    with ThreadPoolExecutor(4) as pool:

        def store(number: int) -> None:
            merged(tables, RESERVATIONS, reservation(number, **GUEST))
            accept(inbox, delivery(number, **GUEST))

        stored_all = [pool.submit(store, number) for number in range(1, 41)]
        while not rows(database_url, "SELECT FROM hostaway.reservations"):
            time.sleep(0.01)
        suppression.add(1, [EMAIL])
        erasure.erase(1)
        for one in stored_all:
            one.result()
    assert rows(database_url, "SELECT count(*)::int AS n FROM hostaway.reservations") == [{"n": 40}]
    assert hits(database_url, MARK, "zoraida@") == 0


def test_the_key_of_an_erasure_outlives_rotations(
    database: Database, suppression: Suppression, database_url: str
) -> None:
    """Hashes cannot be made anew: nobody knows the guest any more."""
    old, new = Keyring.parse(ENCRYPTION_KEYS), f"new:{generate_key()}"
    Secrets(database, old).check()
    suppression.add(1, [EMAIL])
    both = Secrets(database, Keyring.parse(f"{new},{ENCRYPTION_KEYS}"))
    both.check()
    assert list(both.rotate())[-1].failures is None
    both.verify()
    with pytest.raises(KeyringError, match="key 'test' is missing"):
        Secrets(database, Keyring.parse(new)).verify()
    rows(database_url, "DELETE FROM hostaway.suppressed_guests RETURNING 1")
    list(both.rotate())
    Secrets(database, Keyring.parse(new)).verify()
