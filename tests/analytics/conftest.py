"""The models on a real database: sandbox accounts, synced, and `dbt build` in this process."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.cli.main import dbtRunner, dbtRunnerResult
from psycopg.rows import TupleRow, dict_row

from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.store.urls import parse_url
from tests.conftest import GivenPostgres

PROJECT = Path(__file__).parents[2] / "dbt_models"

# As the pipeline runs it: two fifths of a build's CPU go to dbt's log and its descriptions of the run.
QUIET = ("--log-level", "none", "--log-level-file", "none", "--no-write-json")
PRIVATE = frozenset({"version", "is_first_of_month"})
Connection = psycopg.Connection[TupleRow]
TABLES = """
    SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('core', 'pii', 'marts') ORDER BY 1
"""


class Models:
    """The dbt project on one database. `target` is shared by all databases of a session: parsing once is enough.

    `options`: of every command.
    """

    def __init__(self, url: str, target: Path, options: tuple[str, ...] = QUIET) -> None:
        self.url = url
        self.target = target
        self.project = PROJECT
        self._options = options

    def build(self, *arguments: str) -> dbtRunnerResult:
        """`dbt build` with these arguments, without unit tests; fails the test unless all that must pass passed."""
        result = self.run("build", "--exclude-resource-type", "unit_test", *arguments)
        assert result.success, [(r.node.name, r.message) for r in result.result or () if r.status in ("error", "fail")]
        return result

    def fill(self, *arguments: str) -> None:
        """Build without tests of the data, where they would find what an earlier build's have found."""
        assert self.run("build", "--resource-type", "model", "--resource-type", "seed", *arguments).success

    def run(self, command: str, *arguments: str) -> dbtRunnerResult:
        with _environment(dbt_environment(self.url, self.target)):
            folder = str(self.project)
            with chdir(Path.cwd()):  # dbt stays in its project's folder
                folders = ["--project-dir", folder, "--profiles-dir", folder]
                return dbtRunner().invoke([command, *self._options, *arguments, *folders])

    def manifest(self) -> dict[str, Any]:
        """dbt's description of the project."""
        assert self.run("parse", "--write-json").success
        found: dict[str, Any] = json.loads((self.target / "manifest.json").read_text(encoding="utf-8"))
        return found

    def rows(self, query: str) -> list[TupleRow]:
        with self.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def records(self, query: str) -> list[dict[str, Any]]:
        """Rows by the names of their columns, without those that only the build needs."""
        with self.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(query.encode()).fetchall()
        return [{name: value for name, value in row.items() if name not in PRIVATE} for row in found]

    def execute(self, statements: str) -> None:
        with self.connect() as connection:
            connection.execute(statements.encode())

    def connect(self) -> Connection:
        return psycopg.connect(self.url, autocommit=True)


def tables(models: Models) -> list[str]:
    return [name for (name,) in models.rows(TABLES)]


def contents(models: Models) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    return {
        name: [text for (text,) in models.rows(f"SELECT t::text FROM {name} AS t ORDER BY 1")]
        for name in tables(models)
    }


def dbt_environment(url: str, target: Path) -> dict[str, str]:
    """The environment with which dbt finds the database of this URL, and writes nowhere but to `target`."""
    parsed = parse_url(url)
    return {
        "HOSTAWAY_DBT_HOST": str(parsed.host or parsed.query.get("host")),
        "HOSTAWAY_DBT_PORT": str(parsed.port or parsed.query.get("port") or 5432),
        "HOSTAWAY_DBT_USER": parsed.username or "",
        "DBT_ENV_SECRET_HOSTAWAY_PASSWORD": str(parsed.password or ""),
        "HOSTAWAY_DBT_DATABASE": parsed.database or "",
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
    }


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedPostgres | GivenPostgres, template: str) -> Callable[[], str]:
    """Puts a migrated, empty database in the place of the one before: for another name dbt parses everything again."""
    name = f"models_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"

    def create() -> str:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return postgres.url(name)

    return create


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dbt's folder for what it parsed and compiled."""
    return tmp_path_factory.mktemp("target")
