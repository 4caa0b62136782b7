"""What analysts may read, and that several processes may create their roles at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import errors as pg

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.roles import allow_analyst
from hostaway_pipeline.store.schema import metadata
from tests.factories import rows

PASSWORD = "a-password-of-this-test"
# A column that is in neither set fails the test: decide whether analysts may read it.
WITHHELD = {
    "listings": {"raw_payload", "content_hash"},
    "reservations": {
        "raw_payload", "content_hash", "guest_name", "confirmation_code", "guest_email", "guest_phone",
        "guest_external_id", "finance_tried_at",
    },
    "conversations": {
        "raw_payload", "content_hash", "recipient_name", "messages_reread_at", "messages_read_sent_at",
        "messages_read_received_at", "messages_read_count",
    },
    "messages": {"raw_payload", "content_hash", "body"},
    "reservation_finance_lines": set(),
    "payload_findings": set(),
    "calendar_days": set(),
}  # fmt: skip


@pytest.fixture
def as_analyst(database: Database, database_url: str) -> Callable[..., list[tuple[object, ...]]]:
    """Runs statements in one transaction of the analyst's; the last one's rows are returned."""
    allow_analyst(database, PASSWORD)

    def run(*statements: str) -> list[tuple[object, ...]]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("SET SESSION AUTHORIZATION analyst")
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.mark.parametrize("table", WITHHELD)
def test_every_column_is_readable_or_withheld(database: Database, database_url: str, table: str) -> None:
    allow_analyst(database, PASSWORD)
    granted = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped \
               AND has_column_privilege('analyst', attrelid, attnum, 'SELECT')"
    readable = {row["attname"] for row in rows(database_url, granted, f"hostaway.{table}")}
    assert readable == set(metadata.tables[f"hostaway.{table}"].columns.keys()) - WITHHELD[table]


def test_no_other_table_is_readable(as_analyst: Callable[..., list[tuple[object, ...]]]) -> None:
    readable = as_analyst(
        "SELECT relname FROM pg_class WHERE relnamespace = 'hostaway'::regnamespace AND relkind IN ('r', 'v', 'm') "
        "AND has_any_column_privilege(oid, 'SELECT, INSERT, UPDATE, REFERENCES') ORDER BY relname"
    )
    assert [name for (name,) in readable] == sorted(WITHHELD)


def test_privileges_of_a_table_do_not_come_back_with_the_columns(
    database: Database, database_url: str, as_analyst: Callable[..., list[tuple[object, ...]]]
) -> None:
    """Whatever an earlier version granted is taken back."""
    with psycopg.connect(database_url) as connection:
        connection.execute("GRANT SELECT ON hostaway.messages, hostaway.accounts TO analyst_read")
    allow_analyst(database, PASSWORD)
    for table in ("messages", "accounts"):
        with pytest.raises(pg.InsufficientPrivilege):
            as_analyst(f"SELECT * FROM hostaway.{table}")


def test_the_schemas_for_analysts_are_readable_with_what_is_added_later(
    database: Database, database_url: str, as_analyst: Callable[..., list[tuple[object, ...]]]
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.execute("CREATE TABLE marts.first AS SELECT 1 AS nights")
    allow_analyst(database, PASSWORD)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE marts.second AS SELECT 2 AS nights")
        connection.execute("CREATE TABLE hostaway.later AS SELECT 3 AS secret")
    assert as_analyst("SELECT first.nights, second.nights FROM marts.first, marts.second") == [(1, 2)]
    with pytest.raises(pg.InsufficientPrivilege):
        as_analyst("INSERT INTO marts.first VALUES (1)")
    with pytest.raises(pg.InsufficientPrivilege):
        as_analyst("SELECT * FROM hostaway.later")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_lock(4301003, 0)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "SELECT lo_from_bytea(0, 'x')",
        "CREATE TEMP TABLE mine (x int)",
    ],
)
def test_an_analyst_can_neither_take_locks_nor_fill_the_disk(
    as_analyst: Callable[..., list[tuple[object, ...]]], statement: str
) -> None:
    with pytest.raises(pg.InsufficientPrivilege):
        as_analyst("SET transaction_read_only = off", statement)


def test_roles_are_made_at_once_in_several_databases(new_database: Callable[[], str]) -> None:
    """Roles are shared by all databases of the server."""
    databases = [Database(new_database()) for _ in range(2)] * 3
    with ThreadPoolExecutor(len(databases)) as pool:
        for done in [pool.submit(allow_analyst, database, PASSWORD) for database in databases]:
            done.result()
    for database in databases[:2]:
        database.dispose()


def test_a_role_that_was_given_more_is_plain_again(database: Database, database_url: str) -> None:
    allow_analyst(database, PASSWORD)
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER ROLE analyst CREATEDB")
    allow_analyst(database, PASSWORD)
    assert rows(database_url, "SELECT rolcreatedb, rolsuper FROM pg_roles WHERE rolname = 'analyst'") == [
        {"rolcreatedb": False, "rolsuper": False}
    ]
