"""Messages of an earlier version keep what is known of them, and no two keys claim one message."""

from collections.abc import Iterator

import psycopg
import pytest

from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.store import migrate as migrations
from hostaway_pipeline.store.database import Database
from tests.factories import rows

ADD = """
    INSERT INTO hostaway.outbound_messages
        (account_id, idempotency_key, reservation_id, conversation_id, body, communication_type, status, message_id)
    VALUES (1, %s, 3, 5, 'Hello', 'email', %s, %s) RETURNING 1
"""


@pytest.fixture
def url(postgres: EmbeddedPostgres) -> str:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS outbound_before")
        connection.execute("CREATE DATABASE outbound_before")
    return postgres.url("outbound_before")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.dispose()


def test_an_upgrade_tells_unclear_messages_what_was_there_before(database: Database, url: str) -> None:
    migrations.migrate(database, "0007")
    rows(url, "INSERT INTO hostaway.accounts (account_id) VALUES (1) RETURNING 1")
    rows(url, "INSERT INTO hostaway.messages (account_id, id, conversation_id, customer_id, raw_payload, content_hash) "
         "SELECT 1, id, 5, gen_random_uuid(), '{}', '' FROM unnest(ARRAY[70, 71]) AS id RETURNING 1")  # fmt: skip
    added = {"sent": ("sent", 70), "again": ("sent", 70), "unclear": ("unclear", None), "waiting": ("pending", None)}
    for key, (status, message_id) in added.items():
        rows(url, ADD, key, status, message_id)
    migrations.migrate(database)
    found = rows(url, "SELECT idempotency_key, message_id, ids_before FROM hostaway.outbound_messages ORDER BY id")
    assert [tuple(row.values()) for row in found] == [
        ("sent", 70, []),
        ("again", None, []),
        ("unclear", None, [70, 71]),
        ("waiting", None, []),
    ]
