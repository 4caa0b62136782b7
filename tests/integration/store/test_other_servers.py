"""Databases as others set them up: what can be put right works as ever, what cannot is refused in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import psycopg
import pytest
from sqlalchemy import text

from hostaway_pipeline.defs.storage import session_engine
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.urls import parse_url, sibling_url, with_driver
from tests.factories import OpenSandbox, OpenServices, add_account, assert_equal_to_source, synced

# What administrators set for a database or a user, and what it broke.
DEFAULTS = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "200ms",
    "lock_timeout": "50ms",
    "idle_session_timeout": "2s",
    "idle_in_transaction_session_timeout": "2s",
    "synchronous_commit": "local",
}


@contextmanager
def defaults(url: str) -> Iterator[None]:
    name = parse_url(url).database
    with psycopg.connect(sibling_url(url, "postgres"), autocommit=True) as connection:
        for setting, value in DEFAULTS.items():
            connection.execute(f"ALTER DATABASE \"{name}\" SET {setting} = '{value}'".encode())
        yield
        connection.execute(f'ALTER DATABASE "{name}" RESET ALL'.encode())


def test_defaults_of_a_database_change_nothing(
    database_url: str, open_sandbox: OpenSandbox, open_services: OpenServices
) -> None:
    with defaults(database_url):
        sandbox = open_sandbox("59808:2:20")
        services = open_services(sandbox)
        services.check()
        add_account(services, 59808)
        synced(services, 59808, mode="full")
        synced(services, 59808, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, 59808)
    days = _rows(services.database, "SELECT id, arrival_date FROM hostaway.reservations")
    booked = sandbox.world.account(59808).reservations
    assert {key: str(day) for key, day in days} == {key: row.payload()["arrivalDate"] for key, row in booked.items()}


def test_each_pool_has_the_settings_that_the_code_is_written_for(database_url: str) -> None:
    with defaults(database_url):
        database = Database(database_url)
        with database.statement() as single, database.unsynced() as unsynced, database.transaction() as connection:
            assert _setting(single, "statement_timeout") == "10s"
            assert _setting(single, "lock_timeout") == "1s"
            assert _setting(unsynced, "synchronous_commit") == "off"
            plain = connection.connection.cursor()
            assert _setting(plain, "transaction_isolation") == "read committed"
            limits = ("statement_timeout", "lock_timeout", "idle_session_timeout")
            assert [_setting(plain, name) for name in limits] == ["0"] * 3
            assert _setting(plain, "idle_in_transaction_session_timeout") == "10min"
            assert (_setting(plain, "TimeZone"), _setting(plain, "IntervalStyle")) == ("UTC", "postgres")
            assert _setting(plain, "bytea_output") == "hex"
            assert _setting(plain, "synchronous_commit") == "local", "how durable commits are is the administrator's"
        database.dispose()


def test_dagsters_connections_have_them_too(database_url: str) -> None:
    with defaults(database_url):
        engine = session_engine(with_driver(database_url, "postgresql+psycopg2"))
        with engine.connect() as connection:
            assert connection.execute(text("SHOW DateStyle")).scalar_one() == "ISO, MDY"
            assert connection.execute(text("SHOW idle_session_timeout")).scalar_one() == "0"
            assert connection.execute(text("SELECT DATE '2026-02-01'")).scalar_one() == date(2026, 2, 1)
        engine.dispose()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_text_is_refused(new_database: Callable[[], str], encoding: str) -> None:
    url = sibling_url(new_database(), f"other_{encoding.lower()}")
    with psycopg.connect(sibling_url(url, "postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS other_{encoding}".encode())
        connection.execute(
            f"CREATE DATABASE other_{encoding} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode()
        )
    database = Database(url)
    with pytest.raises(ConfigurationError, match=f"encoding {encoding}.*ENCODING 'UTF8' TEMPLATE template0"):
        database.check_server()
    database.dispose()


def test_a_database_that_is_read_only_is_refused(database_url: str) -> None:
    name = parse_url(database_url).database
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    database = Database(database_url)
    with pytest.raises(DatabaseUnavailable, match="the database is read-only: a replica, or somebody has set"):
        database.check_server()
    database.dispose()


def _setting(cursor: psycopg.Cursor, name: str) -> str:
    return cursor.execute(f"SHOW {name}").fetchone()[0]


def _rows(database: Database, statement: str) -> list:
    with database.transaction() as connection:
        return list(connection.execute(text(statement)))
