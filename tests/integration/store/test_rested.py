"""A pooled connection is looked at after a rest, and not between two statements of the same second."""

import time
from collections.abc import Callable

import psycopg
import pytest

from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.store.database import Database
from tests.factories import rows

_CUT = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid != pg_backend_pid()"
)


def in_transaction(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("SELECT 1")


def unsynced(database: Database) -> None:
    with database.unsynced() as cursor:
        cursor.execute("SELECT 1")


ways = pytest.mark.parametrize("use", [in_transaction, unsynced])


@ways
def test_a_busy_connection_is_not_pinged(database: Database, use: Callable[[Database], None]) -> None:
    use(database)
    seen: list[str] = []
    database.on_statement = lambda name, _seconds: seen.append(name)
    for _ in range(5):
        use(database)
    assert seen.count("select") == 5
    assert seen.count("ping") <= 3  # pauses of a second may happen on a busy machine


@ways
def test_connections_that_were_cut_at_rest_are_replaced(
    database: Database, database_url: str, use: Callable[[Database], None]
) -> None:
    with database.transaction() as connection:  # a second connection of this pool
        connection.exec_driver_sql("SELECT 1")
        use(database)
    rows(database_url, _CUT)
    time.sleep(1.1)
    for _ in range(3):
        use(database)


@ways
def test_a_connection_that_was_cut_a_moment_ago_is_replaced(
    database: Database, database_url: str, use: Callable[[Database], None]
) -> None:
    with psycopg.connect(database_url, autocommit=True) as other:
        for _ in range(5):
            use(database)
            other.execute(_CUT.encode())
    use(database)


def test_a_connection_that_breaks_in_use_fails_once(database: Database, database_url: str) -> None:
    def cut_and_use() -> None:
        with database.unsynced() as cursor:
            rows(database_url, _CUT)
            cursor.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        cut_and_use()
    unsynced(database)
