"""Migrations build exactly what the metadata says, go up over rows in place, and come down again."""

from collections.abc import Callable

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.store import migrate as migrations
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.schema import SCHEMA, metadata
from tests.factories import live_counts, rows


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> str:
    name = f"empty_{abs(hash(request.node.nodeid))}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return postgres.url(name)


def test_migrations_equal_the_metadata(database: Database) -> None:
    with database.transaction() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "version_table_schema": SCHEMA,
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_comments_reach_the_database(database_url: str) -> None:
    """Analysts read them in their own tools."""
    query = "SELECT col_description('hostaway.reservations'::regclass, attnum) AS comment FROM pg_attribute WHERE "
    query += "attrelid = 'hostaway.reservations'::regclass AND attname = 'deleted_at'"
    assert "complete sweep" in rows(database_url, query)[0]["comment"]


def test_an_upgrade_keeps_the_rows_of_the_first_version(empty_url: str) -> None:
    database = Database(empty_url)
    migrations.migrate(database, "0001")
    rows(empty_url, "INSERT INTO hostaway.accounts (account_id, client_secret) VALUES (1, 'in clear') RETURNING 1")
    rows(empty_url, "INSERT INTO hostaway.conversations (account_id, id, customer_id, raw_payload, content_hash) "
         "VALUES (1, 5, gen_random_uuid(), '{}', '') RETURNING 1")  # fmt: skip
    migrations.migrate(database)
    kept = rows(empty_url, "SELECT id, messages_synced_at FROM hostaway.conversations")
    assert kept == [{"id": 5, "messages_synced_at": None}]
    migrations.check_migrated(database)
    database.dispose()


def test_an_upgrade_counts_the_rows_of_before(empty_url: str) -> None:
    database = Database(empty_url)
    migrations.migrate(database, "0016")
    rows(empty_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1), (2) RETURNING 1")
    rows(empty_url, "INSERT INTO hostaway.messages "
         "(account_id, id, customer_id, raw_payload, content_hash, deleted_at) "
         "SELECT account_id, n, gen_random_uuid(), '{}', '', CASE WHEN n = 4 THEN now() END "
         "FROM (VALUES (1, 1), (2, 2), (2, 3), (2, 4)) AS message (account_id, n) RETURNING 1")  # fmt: skip
    migrations.migrate(database)
    assert live_counts(empty_url) == {(1, "messages"): 1, (2, "messages"): 2}
    database.dispose()


def test_migrating_twice_is_harmless(empty_url: str) -> None:
    database = Database(empty_url)
    migrations.migrate(database)
    migrations.migrate(database)
    migrations.check_migrated(database)
    database.dispose()


def test_a_schema_that_is_behind_is_named(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(ConfigurationError, match="at nothing.*hostaway db migrate"):
        migrations.check_migrated(database)
    database.dispose()


def test_every_migration_comes_down_again(empty_url: str, run_alembic: Callable[[str, str], None]) -> None:
    database = Database(empty_url)
    migrations.migrate(database)
    database.dispose()
    run_alembic(empty_url, "base")
    left = rows(empty_url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'hostaway'")
    assert [row["table_name"] for row in left] == ["alembic_version"]


@pytest.fixture
def run_alembic() -> Callable[[str, str], None]:
    def downgrade(url: str, revision: str) -> None:
        database = Database(url)
        with database.transaction() as connection:
            config = Config()
            config.set_main_option("script_location", "hostaway_pipeline/store/migrations")
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
        database.dispose()

    return downgrade
