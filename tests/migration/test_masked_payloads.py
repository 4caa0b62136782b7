"""Rows that an older version stored with secrets in them are clean after the upgrade, and nothing else moved."""

from collections.abc import Callable
from typing import Any

import orjson
import psycopg
import pytest
from alembic import command
from alembic.config import Config

from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.payloads import content_hash
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import check_migrated, migrate
from tests.factories import add_account, assert_equal_to_source, rows, synced
from tests.planted import DROPPED_BEFORE, PLANTED, plant

ACCOUNT = 59808


@pytest.fixture
def sandbox(open_sandbox: Callable[..., SandboxServer]) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:3:200")


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    found = sandbox.world.account(ACCOUNT)
    plant(found)
    return found


@pytest.fixture
def services(sandbox: SandboxServer, account: Account, open_services: Callable[..., Services]) -> Services:
    opened = open_services(sandbox)
    add_account(opened, ACCOUNT)
    synced(opened, ACCOUNT)
    return opened


def test_rows_that_were_stored_with_secrets_are_cleaned_in_place(
    services: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    as_an_older_version(account, database_url)
    assert leaked(database_url) == set(PLANTED), "the planted values are where an older version stored them"
    before = {entity: times(database_url, entity) for entity in ENTITIES}

    database = Database(database_url)
    migrate(database)
    check_migrated(database)
    database.dispose()

    assert leaked(database_url) == set()
    assert {entity: times(database_url, entity) for entity in ENTITIES} == before
    report = synced(services, ACCOUNT, mode="reconcile")
    for entity, counts in report.entities.items():
        assert (counts.inserted, counts.updated, counts.deleted) == (0, 0, 0), entity
    assert report.entities["reservations"].unchanged == len(account.reservations)
    assert {entity: times(database_url, entity) for entity in ENTITIES} == before
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


@pytest.mark.usefixtures("services")
def test_rows_that_are_clean_already_are_not_written(database_url: str) -> None:
    down(database_url, "0010")
    before = {entity: rows(database_url, f"SELECT ctid, * FROM hostaway.{entity} ORDER BY id") for entity in ENTITIES}
    down(database_url)
    database = Database(database_url)
    migrate(database, "0010")
    database.dispose()
    after = {entity: rows(database_url, f"SELECT ctid, * FROM hostaway.{entity} ORDER BY id") for entity in ENTITIES}
    assert after == before


@pytest.mark.usefixtures("services")
def test_a_user_without_rights_beyond_the_schema_can_run_it(
    account: Account, database_url: str, request: pytest.FixtureRequest
) -> None:
    as_an_older_version(account, database_url)
    owner = f"owner_{abs(hash(request.node.nodeid))}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'sesame' NOSUPERUSER NOCREATEDB".encode())
        name = connection.info.dbname
        connection.execute(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC'.encode())
        connection.execute(f'GRANT CREATE ON DATABASE "{name}" TO {owner}'.encode())
        connection.execute(f"ALTER SCHEMA hostaway OWNER TO {owner}".encode())
        for kind, pattern in (("TABLE", "r"), ("VIEW", "v")):
            found = connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'hostaway'::regnamespace AND relkind = %s",
                (pattern,),
            ).fetchall()
            for (table,) in found:
                connection.execute(f"ALTER {kind} hostaway.{table} OWNER TO {owner}".encode())
    separator = "&" if "?" in database_url else "?"
    database = Database(f"{database_url}{separator}options=-c%20role%3D{owner}")
    with database.transaction() as opened:
        assert opened.exec_driver_sql("SELECT current_user").scalar_one() == owner
    migrate(database)
    database.dispose()
    assert leaked(database_url) == set()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"REASSIGN OWNED BY {owner} TO CURRENT_USER".encode())
        connection.execute(f"DROP OWNED BY {owner}".encode())
        connection.execute(f"DROP ROLE {owner}".encode())


def down(url: str, revision: str = "0009") -> None:
    database = Database(url)
    with database.transaction() as connection:
        config = Config()
        config.set_main_option("script_location", "hostaway_pipeline/store/migrations")
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    database.dispose()


def as_an_older_version(account: Account, url: str) -> None:
    """Overwrite what is stored: secrets were told by one spelling of their names, and values were not looked at."""
    down(url)
    with psycopg.connect(url) as connection:
        for entity in ENTITIES.values():
            for truth in account.truth(entity.name):
                kept = without(truth, DROPPED_BEFORE)
                texts = {name: kept.get(key) for name, (key, _) in entity.columns.items() if name in TEXTS}
                assigned = "".join(f", {name} = %({name})s" for name in texts)
                statement = f"UPDATE hostaway.{entity.name} SET raw_payload = %(payload)s, content_hash = %(hash)s"
                values = {"payload": orjson.dumps(kept).decode(), "hash": content_hash(kept)}
                values |= {"account": ACCOUNT, "id": truth["id"], **texts}
                statement += f"{assigned} WHERE account_id = %(account)s AND id = %(id)s"
                connection.execute(statement.encode(), values)
                connection.execute(
                    "INSERT INTO hostaway.webhook_events (account_id, event, object, object_id, payload, status) "
                    "VALUES (%s, 'x.updated', 'x', %s, %s, 'applied')",
                    (ACCOUNT, truth["id"], orjson.dumps(kept).decode()),
                )


TEXTS = {"name", "guest_name", "body", "recipient_name", "address"}


def without(value: Any, keys: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: without(part, keys) for key, part in value.items() if key not in keys}
    return [without(part, keys) for part in value] if isinstance(value, list) else value


def leaked(url: str) -> set[str]:
    """The planted values that stand anywhere in the tables."""
    tables = [*ENTITIES, "webhook_events"]
    found = [row for table in tables for row in rows(url, f"SELECT t::text AS row FROM hostaway.{table} t")]
    whole = "\n".join(row["row"] for row in found)
    return {name for name, value in PLANTED.items() if value in whole}


def times(url: str, entity: str) -> list[dict[str, Any]]:
    columns = "id, created_at, updated_at, source_updated_at, read_at, deleted_at"
    return rows(url, f"SELECT {columns} FROM hostaway.{entity} ORDER BY id")
