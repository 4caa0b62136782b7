"""What analysts may read, and that several processes may create their roles at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy.engine import make_url

from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.roles import AnalystRole, allow_analyst, analyst_statements, grant_analysts
from tests.factories import rows

PASSWORD = "a-password-of-this-test"
# A table that is in neither set fails the test: decide whether analysts of the copy may read it.
COPY = {
    "listings", "reservations", "conversations", "messages", "message_threads", "reservation_finance_lines",
    "calendar_days", "listing_versions", "reservation_versions", "payload_findings",
}  # fmt: skip
PRIVATE = {
    "accounts", "alembic_version", "backups", "cadences", "deletion_budgets", "guests", "key_canaries", "metrics",
    "outbound_messages", "rate_scopes", "reservation_trails", "row_counts", "suppressed_guests", "sweeper_places",
    "sweeps", "sync_runs", "webhook_events", "webhook_heads",
}  # fmt: skip
READS: dict[AnalystRole, set[str]] = {
    "analyst_read": {"core", "marts"},
    "analyst_pii": {"core", "marts", "pii"},
    "analyst_raw": {"core", "marts", "hostaway"},
}
READABLE = """
    SELECT nspname, relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE nspname !~ '^(pg_|information_schema)' AND relkind IN ('r', 'v', 'm')
      AND has_schema_privilege('analyst', n.oid, 'USAGE')
      AND has_any_column_privilege('analyst', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
"""
AsAnalyst = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def as_analyst(database: Database, database_url: str) -> AsAnalyst:
    """Runs statements in one transaction of the analyst's; the last one's rows are returned."""
    allow_analyst(database, PASSWORD)

    def run(*statements: str) -> list[tuple[object, ...]]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("SET SESSION AUTHORIZATION analyst")
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def models(database_url: str) -> Callable[[str], None]:
    """Makes a table of this name in every schema of the analyst layer."""

    def make(name: str) -> None:
        with psycopg.connect(database_url) as connection:
            for schema in ("staging", "core", "pii", "marts"):
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
                connection.execute(f"CREATE TABLE {schema}.{name} AS SELECT 1 AS nights".encode())

    return make


@pytest.mark.parametrize("role", READS)
def test_each_role_reads_its_schemas_with_what_is_added_later(
    database: Database, database_url: str, models: Callable[[str], None], role: AnalystRole
) -> None:
    models("first")
    allow_analyst(database, PASSWORD, role)
    models("second")
    found = {(row["nspname"], row["relname"]) for row in rows(database_url, READABLE)}
    expected = {(schema, name) for schema in READS[role] - {"hostaway"} for name in ("first", "second")}
    assert found == expected | ({("hostaway", name) for name in COPY} if role == "analyst_raw" else set())


def test_every_table_of_the_copy_is_readable_or_private(database_url: str) -> None:
    named = "SELECT relname FROM pg_class WHERE relnamespace = 'hostaway'::regnamespace AND relkind IN ('r', 'v')"
    assert {row["relname"] for row in rows(database_url, named)} == COPY | PRIVATE


def test_a_user_has_one_role_at_a_time(database: Database, database_url: str) -> None:
    """And whatever an earlier version granted is taken back."""
    allow_analyst(database, PASSWORD, "analyst_raw")
    with psycopg.connect(database_url) as connection:
        connection.execute("GRANT SELECT ON hostaway.messages, hostaway.accounts TO analyst_read, analyst_raw")
    allow_analyst(database, PASSWORD)
    assert rows(database_url, READABLE) == []
    allow_analyst(database, PASSWORD, "analyst_raw")
    assert {row["relname"] for row in rows(database_url, READABLE)} == COPY


def test_an_analyst_writes_nothing_and_sessions_end(as_analyst: AsAnalyst, models: Callable[[str], None]) -> None:
    models("first")
    with pytest.raises(pg.InsufficientPrivilege):
        as_analyst("INSERT INTO marts.first VALUES (1)")
    names = ("default_transaction_read_only", "statement_timeout", "idle_in_transaction_session_timeout")
    settings = as_analyst("SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = 'analyst'::regrole")
    assert {str(setting).split("=")[0].strip("('") for setting in settings} == {*names, "idle_session_timeout"}


def test_another_user_becomes_a_member(database: Database, database_url: str) -> None:
    """Its password is the administrator's business."""
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS maria_of_tests")
        connection.execute("CREATE ROLE maria_of_tests LOGIN")
    assert grant_analysts(database, "maria_of_tests", "analyst_pii")
    member = "SELECT pg_has_role('maria_of_tests', %s, 'MEMBER') AS is_member"
    assert [rows(database_url, member, role)[0]["is_member"] for role in READS] == [True, True, False]
    with pytest.raises(ConfigurationError, match="no user 'nobody_of_tests'"):
        grant_analysts(database, "nobody_of_tests", "analyst_read")
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP ROLE maria_of_tests")


def test_a_server_that_refuses_roles_gets_nothing(database: Database, database_url: str) -> None:
    """The statements are printed instead, and do the same for an administrator."""
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS owner_of_tests")
        connection.execute("CREATE ROLE owner_of_tests LOGIN")
    parsed = make_url(database_url)
    poor = Database(parsed.set(username="owner_of_tests").render_as_string(hide_password=False))
    assert not grant_analysts(poor, "analyst", "analyst_read")
    poor.dispose()
    with psycopg.connect(database_url) as connection:
        connection.execute(analyst_statements("analyst", "analyst_raw").encode())
        connection.execute("DROP ROLE owner_of_tests")
    assert {row["relname"] for row in rows(database_url, READABLE)} == COPY


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_lock(4301003, 0)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "SELECT lo_from_bytea(0, 'x')",
        "CREATE TEMP TABLE mine (x int)",
    ],
)
def test_an_analyst_can_neither_take_locks_nor_fill_the_disk(as_analyst: AsAnalyst, statement: str) -> None:
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
