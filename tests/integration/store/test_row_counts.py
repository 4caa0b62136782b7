"""The numbers of rows that are kept beside the tables equal the tables, whatever changes them and whenever."""

import random
import threading

import psycopg
import pytest

from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.security.keyring import Keyring, generate_key
from hostaway_pipeline.store.accounts.accounts import Accounts
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.retention import Retention
from hostaway_pipeline.store.schema import ENTITY_TABLES
from tests.factories import live_counts, rows

ACCOUNTS, IDS = (1, 2, 3), 30
INSERT = (
    "INSERT INTO hostaway.{table} AS stored (account_id, id, customer_id, raw_payload, content_hash) "
    "SELECT {account}, n, gen_random_uuid(), '{{}}', '' FROM generate_series({first}, {last}) AS n "
    "ON CONFLICT (account_id, id) DO UPDATE SET deleted_at = NULL "
    "WHERE stored.deleted_at IS NOT NULL OR stored.id BETWEEN 7 AND 14"
)
CHANGES = (
    INSERT,
    INSERT,
    "UPDATE hostaway.{table} SET deleted_at = now() WHERE account_id = {account} AND id BETWEEN {first} AND {last}",
    "UPDATE hostaway.{table} SET unsettled_at = now() WHERE id BETWEEN {first} AND {last}",
    "UPDATE hostaway.{table} SET deleted_at = NULL WHERE id = {first}",
    "DELETE FROM hostaway.{table} WHERE id = {last}",
)


def truth(url: str) -> dict[tuple[int, str], int]:
    live = "SELECT account_id, count(*)::int AS live FROM hostaway.{} WHERE deleted_at IS NULL GROUP BY account_id"
    return {(row["account_id"], table): row["live"] for table in ENTITY_TABLES for row in rows(url, live.format(table))}


@pytest.fixture
def url(database_url: str) -> str:
    rows(
        database_url, "INSERT INTO hostaway.accounts (account_id) SELECT unnest(%s::bigint[]) RETURNING 1", [*ACCOUNTS]
    )
    return database_url


def change(connection: psycopg.Connection, chance: random.Random) -> None:
    first = chance.randint(1, IDS)
    places = {"table": chance.choice([*ENTITIES]), "account": chance.choice(ACCOUNTS)}
    places |= {"first": first, "last": first + chance.randint(0, 10)}
    connection.execute(chance.choice(CHANGES).format(**places).encode())


def test_after_random_changes(url: str, database: Database) -> None:
    chance = random.Random(5)
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(300):
            with connection.transaction() as transaction:
                for _ in range(chance.randint(1, 3)):
                    change(connection, chance)
                if chance.random() < 0.2:
                    raise psycopg.Rollback(transaction)
            if number % 50 == 0:
                assert live_counts(url) == truth(url)
                Retention(database).sum_row_counts()
    assert live_counts(url) == truth(url) != {}


def test_after_changes_and_sums_side_by_side(url: str, database: Database) -> None:
    """Each thread writes an account of its own."""
    running = threading.Event()
    running.set()

    def sum_up() -> None:
        while running.is_set():
            Retention(database).sum_row_counts()

    def write(account: int) -> None:
        chance = random.Random(account)
        with psycopg.connect(url, autocommit=True) as connection:
            for _ in range(60):
                with connection.transaction():
                    for table in chance.sample([*ENTITIES], 2):
                        first = chance.randint(1, IDS)
                        statement = INSERT if chance.random() < 0.6 else CHANGES[2]
                        connection.execute(
                            statement.format(table=table, account=account, first=first, last=first + 5).encode()
                        )

    summing = threading.Thread(target=sum_up)
    writing = [threading.Thread(target=write, args=(account,)) for account in ACCOUNTS]
    for thread in (summing, *writing):
        thread.start()
    for thread in writing:
        thread.join()
    running.clear()
    summing.join()
    assert live_counts(url) == truth(url) != {}
    assert len(rows(url, "SELECT FROM hostaway.row_counts")) <= len(truth(url)) + 1000


def test_sums_replace_what_they_add_up(url: str, database: Database) -> None:
    for first in (1, 11, 21):
        rows(url, INSERT.format(table="messages", account=1, first=first, last=first + 9) + " RETURNING 1")
    Retention(database).sum_row_counts()
    assert rows(url, "SELECT account_id, entity, live FROM hostaway.row_counts") == [
        {"account_id": 1, "entity": "messages", "live": 30}
    ]


def test_the_numbers_of_a_removed_account_go_with_its_rows(url: str, database: Database) -> None:
    for account in ACCOUNTS:
        rows(url, INSERT.format(table="messages", account=account, first=1, last=30) + " RETURNING 1")
    rows(url, "DELETE FROM hostaway.messages WHERE account_id = 1 AND id < 11 RETURNING 1")  # a removal, interrupted
    assert live_counts(url) == truth(url)
    Accounts(database, Keyring.parse(f"k:{generate_key()}")).remove(1, hard=True)
    rows(url, "DELETE FROM hostaway.accounts WHERE account_id = 2 RETURNING 1")  # with rows that a sync has added
    assert live_counts(url) == truth(url) == {(3, "messages"): 30}
