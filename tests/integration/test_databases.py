"""Databases of tests are handed on: empty, and only if nothing else is left of the test that had it."""

import psycopg
import pytest

from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from tests.conftest import GivenPostgres
from tests.databases import Databases


@pytest.fixture
def handing_on(postgres: EmbeddedPostgres | GivenPostgres, template: str) -> Databases:
    return Databases(postgres.url("postgres"), postgres.url(template), waiting=0)


def test_the_next_test_finds_no_row_of_the_last_one(
    postgres: EmbeddedPostgres | GivenPostgres, handing_on: Databases
) -> None:
    first = handing_on.take()
    for _ in range(2):
        with psycopg.connect(postgres.url(first)) as connection:
            connection.execute("INSERT INTO hostaway.key_canaries VALUES ('a', 'b')")
            connection.execute("INSERT INTO hostaway.accounts (account_id) VALUES (1)")
            number = connection.execute("SELECT nextval('hostaway.sync_runs_id_seq')").fetchone()
            assert number == (1,), "sequences begin again"
        handing_on.leave(first)
        assert handing_on.take() == first
    with psycopg.connect(postgres.url(first)) as connection:
        for table in ("key_canaries", "accounts"):
            assert connection.execute(f"SELECT * FROM hostaway.{table}".encode()).fetchall() == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE hostaway.accounts ADD more int",
        "ALTER TABLE hostaway.accounts SET (fillfactor = 50)",
        "ALTER TABLE hostaway.accounts ADD CHECK (account_id > 0)",
        "CREATE SCHEMA more",
        "CREATE TABLE more ()",
        "CREATE INDEX ON hostaway.accounts (name)",
        "DROP TABLE hostaway.metrics",
        "GRANT SELECT ON hostaway.accounts TO PUBLIC",
        "GRANT USAGE ON SCHEMA hostaway TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DATABASE {name} SET work_mem = '1MB'",
        "REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
        "UPDATE hostaway.alembic_version SET version_num = 'older'",
        "ANALYZE hostaway.alembic_version",
    ],
)
def test_a_changed_database_is_not_handed_on(
    postgres: EmbeddedPostgres | GivenPostgres, handing_on: Databases, statement: str
) -> None:
    name = handing_on.take()
    with psycopg.connect(postgres.url(name)) as connection:
        connection.execute(statement.format(name=name).encode())
    handing_on.leave(name)
    assert handing_on.take() != name


def test_a_database_to_which_somebody_is_connected_is_not_handed_on(
    postgres: EmbeddedPostgres | GivenPostgres, handing_on: Databases
) -> None:
    name = handing_on.take()
    with psycopg.connect(postgres.url(name)):
        handing_on.leave(name)
        assert handing_on.take() != name
