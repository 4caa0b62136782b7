"""One receiver, one sandbox and one database for the whole folder; tests speak HTTP with them.

Before each test they are reset: an account whose webhook has a login, an empty inbox, a sandbox without faults.
Tests that need other settings open a receiver of their own on the same database.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.store.schema import metadata
from hostaway_pipeline.wiring import services_on
from tests.factories import ENCRYPTION_KEYS, SANDBOXES, add_account, make_settings
from tests.receiver.steps import (
    ACCOUNT,
    KEY,
    OTHER_ACCOUNT,
    OpenProcess,
    OpenReceiver,
    Process,
    Receiver,
    StartProcess,
    running,
    running_on,
)
from webhook_receiver.connections import Limits

SHORT_LIMITS = Limits(connections=40, head_seconds=1.0, body_seconds=1.0, unread_seconds=1.0, idle_seconds=2)
FEW_CONNECTIONS = Limits(connections=40, head_seconds=600, body_seconds=600, unread_seconds=600, idle_seconds=600)


@pytest.fixture(scope="session")
def database_url(postgres: Any, template: str) -> str:
    name = f"receiver_tests_{os.getpid()}"  # tests may run side by side on one server
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return str(postgres.url(name))


@pytest.fixture(scope="session")
def the_sandbox() -> Iterator[SandboxServer]:
    accounts = (SandboxAccount(ACCOUNT, 2, 12), SandboxAccount(OTHER_ACCOUNT, 1, 4))
    with SandboxServer(SandboxConfig(accounts, ip_limit=None, account_limit=None, token_delay=0.0)) as server:
        SANDBOXES[server.url] = server
        yield server


@pytest.fixture(scope="session")
def the_services(database_url: str, the_sandbox: SandboxServer) -> Iterator[Services]:
    services = services_on(make_settings(database_url, the_sandbox.url), database_url)
    services.secrets.check()
    add_account(services, ACCOUNT)
    services.webhooks.ensure_credential(ACCOUNT)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE accounts_at_first AS SELECT * FROM hostaway.accounts")
    yield services
    services.close()


@pytest.fixture(scope="session")
def the_receiver(database_url: str, the_sandbox: SandboxServer, the_services: Services) -> Iterator[Receiver]:
    credential = the_services.webhooks.ensure_credential(ACCOUNT)
    with running_on(database_url, the_sandbox, credential) as receiver:
        yield receiver


@pytest.fixture(scope="session")
def document(the_receiver: Receiver) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = requests.get(f"{the_receiver.url}/openapi.json", timeout=60).json()
    return found


@pytest.fixture
def sandbox(the_sandbox: SandboxServer) -> SandboxServer:
    the_sandbox.faults.clear()
    the_sandbox.counters.reset()
    return the_sandbox


@pytest.fixture
def services(the_services: Services, sandbox: SandboxServer, database_url: str) -> Services:
    """With one account that is stored; the other one exists only at Hostaway."""
    kept = {"key_canaries"}
    with psycopg.connect(database_url) as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in kept:
                connection.execute(f"DELETE FROM {table.fullname}".encode())
        connection.execute("INSERT INTO hostaway.accounts SELECT * FROM accounts_at_first")
        # A receiver refuses for two seconds what was unknown, such as the login of an account that a test has removed.
        connection.execute("UPDATE hostaway.accounts SET webhook_login = NULL, webhook_password = NULL")
    the_services.webhooks.ensure_credential(ACCOUNT)
    return the_services


@pytest.fixture
def credential(services: Services) -> Credential:
    return services.webhooks.ensure_credential(ACCOUNT)


@pytest.fixture
def receiver(the_receiver: Receiver, credential: Credential) -> Receiver:
    """Called from a new address, so that wrong tries of other tests do not count."""
    found = the_receiver.from_another_address()
    found.credential = credential
    return found


@pytest.fixture
def open_receiver(database_url: str, sandbox: SandboxServer, credential: Credential) -> Iterator[OpenReceiver]:
    """Starts receivers: `open_receiver(public_url="http://127.0.0.1:1")`."""
    with ExitStack() as stack:

        def start(api_url: str = sandbox.url, **changes: object) -> Receiver:
            settings = make_settings(database_url, api_url, **({"api_keys": KEY} | changes))
            return stack.enter_context(running(settings, credential))

        yield start


@pytest.fixture
def impatient_receiver(database_url: str, sandbox: SandboxServer, credential: Credential) -> Iterator[Receiver]:
    """With few connections and short deadlines."""
    with running_on(database_url, sandbox, credential, SHORT_LIMITS) as receiver:
        yield receiver


@pytest.fixture
def crowded_receiver(database_url: str, sandbox: SandboxServer, credential: Credential) -> Iterator[Receiver]:
    """With few connections and long deadlines."""
    with running_on(database_url, sandbox, credential, FEW_CONNECTIONS) as receiver:
        yield receiver


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Starts receivers as processes: `start_process(environment, "--host", "127.0.0.1")`."""
    started: list[Process] = []

    def start(environment: Mapping[str, str], *arguments: str, port: int | None = None) -> Process:
        started.append(Process(tmp_path, environment, *arguments, port=port))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def environment(database_url: str, sandbox: SandboxServer, services: Services) -> dict[str, str]:
    """The environment of a receiver as a process."""
    return {
        "HOSTAWAY_DATABASE_URL": database_url,
        "HOSTAWAY_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
        "HOSTAWAY_API_URL": sandbox.url,
        "HOSTAWAY_API_KEYS": KEY,
        "HOSTAWAY_EGRESS": "tests",
    }


@pytest.fixture
def open_process(start_process: StartProcess, environment: dict[str, str]) -> OpenProcess:
    """Starts receivers as processes and waits until they answer: `open_process(HOSTAWAY_LOG_LEVEL="DEBUG")`."""

    def start(**changes: str) -> Process:
        process = start_process(environment | changes)
        process.wait_until_up()
        return process

    return start
