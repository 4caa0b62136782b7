"""Real services for every test: one embedded Postgres per session, a database per test, a sandbox over HTTP.

A test's database costs milliseconds: it is emptied, or cloned from a migrated template.
"""

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate
from hostaway_pipeline.store.urls import sibling_url
from hostaway_pipeline.wiring import services_on
from tests.databases import Databases
from tests.factories import (
    ENCRYPTION_KEYS,
    SANDBOXES,
    OpenAccount,
    OpenSandbox,
    OpenServices,
    add_account,
    make_settings,
)

gc.disable()  # while modules are imported: it would take a fifth of the time


# A worker that begins with minutes of tests at the end leaves the others idle: the longest files come first, those that
# compute between those that wait.
LONG = [
    f"tests/{name}.py"
    for name in (
        "acceptance/test_demo",
        "integration/pull/test_odd_answers",
        "acceptance/test_celery",
        "acceptance/test_stops",
        "acceptance/test_stack_runs",
        "integration/push/test_slow_apis",
        "analytics/test_compared_tables",
        "integration/store/test_slots",
        "acceptance/test_push",
        "integration/test_hostile_clocks",
        "analytics/test_changes",
        "acceptance/test_dagster_kills",
        "analytics/test_incremental_equals_rebuild",
        "integration/pull/test_calendar",
        "acceptance/test_crashes",
        "integration/sending/test_send",
        "analytics/test_report",
        "acceptance/test_faults",
        "acceptance/test_marts",
    )
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {file: place for place, file in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONG)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Leave out of each garbage collection what was imported: one of Dagster, dbt and the tests takes half a second."""
    gc.freeze()
    gc.enable()


class GivenPostgres:
    """A server given by TEST_POSTGRES_URL, to test another version of Postgres; its user must be a superuser."""

    def __init__(self, url: str) -> None:
        self._url = url

    def url(self, database: str) -> str:
        return sibling_url(self._url, database)

    def ensure_database(self, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres | GivenPostgres]:
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield GivenPostgres(given)
        return
    with tempfile.TemporaryDirectory(prefix="hostaway-tests-") as folder, EmbeddedPostgres(Path(folder)) as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            # No test kills this server, so it need not be durable; autovacuum would look at a thousand databases.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("ALTER SYSTEM SET autovacuum = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="module")
def embedded_folder() -> Iterator[Path]:
    """A folder for an embedded Postgres. Not tmp_path: the next pytest run would close it to the server's user."""
    with tempfile.TemporaryDirectory(prefix="hostaway-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres | GivenPostgres) -> str:
    name = f"template_hostaway_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"  # a given server has all workers
    postgres.ensure_database(name)
    database = Database(postgres.url(name))
    migrate(database)
    database.dispose()
    return name


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres | GivenPostgres, template: str) -> Databases:
    return Databases(postgres.url("postgres"), postgres.url(template))


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedPostgres | GivenPostgres, databases: Databases) -> Callable[[], str]:
    """Creates migrated, empty databases; each call returns a URL."""
    return lambda: postgres.url(databases.create())


@pytest.fixture
def database_url(postgres: EmbeddedPostgres | GivenPostgres, databases: Databases) -> Iterator[str]:
    """A migrated, empty database."""
    name = databases.take()
    yield postgres.url(name)
    databases.leave(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def stopper() -> Iterator[ThreadPoolExecutor]:
    """Stops servers in the background: uvicorn takes 0.2 s, and tests need not wait."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def open_sandbox(stopper: ThreadPoolExecutor) -> Iterator[OpenSandbox]:
    """Starts sandboxes: `open_sandbox("59808:2:20", latency=0.1)`. Limits and the delay of new tokens are off."""
    running: list[SandboxServer] = []

    def start(*specs: str, **options: object) -> SandboxServer:
        chosen: dict[str, object] = {"ip_limit": None, "account_limit": None, "token_delay": 0.0, **options}
        accounts = tuple(SandboxAccount.parse(spec) for spec in specs or ("59808:3:30",))
        server = SandboxServer(SandboxConfig(accounts=accounts, **chosen))  # type: ignore[arg-type]
        server.__enter__()
        running.append(server)
        return server

    yield start
    for server in running:
        stopper.submit(server.stop)


@pytest.fixture
def open_services(database_url: str) -> Iterator[OpenServices]:
    """Opens services on the test's database that call a sandbox: `open_services(sandbox)`."""
    started: list[Services] = []

    def make(sandbox: SandboxServer, **changes: object) -> Services:
        services = services_on(make_settings(database_url, sandbox.url, **changes), database_url)
        services.secrets.check()
        SANDBOXES[sandbox.url] = sandbox
        started.append(services)
        return services

    yield make
    for services in started:
        services.close()


@pytest.fixture
def open_account(open_sandbox: OpenSandbox, open_services: OpenServices) -> OpenAccount:
    """Opens a sandbox of one account, and services that know it: `open_account("59808:3:20", latency=0.1)`."""

    def make(spec: str, **options: object) -> tuple[SandboxServer, Services]:
        sandbox = open_sandbox(spec, **options)
        services = open_services(sandbox)
        (account_id,) = sandbox.world.accounts
        add_account(services, account_id)
        return sandbox, services

    return make


@pytest.fixture
def cli_environment(database_url: str) -> Callable[[Settings | SandboxServer | str], dict[str, str]]:
    """The environment of a `hostaway` process on the test's database."""

    def environment(api: SandboxServer | str) -> dict[str, str]:
        url = api if isinstance(api, str) else api.url
        return {
            "HOSTAWAY_DATABASE_URL": database_url,
            "HOSTAWAY_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
            "HOSTAWAY_API_URL": url,
            "HOSTAWAY_EGRESS": "tests",
        }

    return environment
