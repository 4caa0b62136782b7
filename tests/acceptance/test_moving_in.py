"""The accounts of a program that this one replaces: integer ids, secrets in clear, perhaps a webhook's login."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.store.foreign_accounts import read_accounts
from tests.acceptance.forks import Forks, forking
from tests.factories import OpenSandbox, OpenServices, rows

CliEnvironment = Callable[[SandboxServer], dict[str, str]]
TABLE = """
CREATE TABLE accounts (
    id integer PRIMARY KEY, name varchar(80), client_secret text, webhook_login text, webhook_password text,
    active boolean DEFAULT true, last_polled timestamp
)
"""
ROWS = [
    (101, "Seaside", "sandbox-secret-101", "hook", "open sesame", True),
    (102, None, "sandbox-secret-102", None, None, True),
    (103, "Wrong", "not its secret", None, None, True),
    (104, "Gone", "sandbox-secret-104", None, None, False),
    (105, "Empty", "  ", None, None, True),
    (-1, "Nobody", "x", None, None, True),
]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as forks:
        yield forks


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("101:1:2", "102:1:2", "103:1:2", "104:1:2", token_delay=0.0)


@pytest.fixture
def source(new_database: Callable[[], str]) -> str:
    url = new_database()
    with psycopg.connect(url) as connection:
        connection.execute(TABLE.encode())
        connection.cursor().executemany("INSERT INTO accounts VALUES (%s, %s, %s, %s, %s, %s)", ROWS)
    return url


def test_accounts_move_in_with_their_secrets(
    forks: Forks,
    cli_environment: CliEnvironment,
    sandbox: SandboxServer,
    source: str,
    database_url: str,
    tmp_path: Path,
    open_services: OpenServices,
) -> None:
    environment = cli_environment(sandbox) | {"HOSTAWAY_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = forks.run(("accounts", "import", "--from", source), environment, tmp_path, "")
    assert done.returncode == 0, done.stderr
    assert "2 accounts added, their first syncs requested; 4 left" in done.stdout
    assert "account 103: " in done.stderr
    for text in ("account 104: it is switched off", "account 105: it has no secret", "a row: its id is no number"):
        assert text in done.stderr
    assert not any(secret in done.stdout + done.stderr for _, _, secret, *_ in ROWS if len(secret) > 5)
    stored = {row["account_id"]: row for row in rows(database_url, "SELECT * FROM hostaway.accounts")}
    assert stored.keys() == {101, 102}
    assert stored[101]["name"] == "Seaside"
    assert "sandbox-secret" not in str(stored)
    assert "open sesame" not in str(stored)
    requested = rows(database_url, "SELECT account_id FROM hostaway.cadences WHERE requested_at IS NOT NULL")
    assert {row["account_id"] for row in requested} == {101, 102}
    services = open_services(sandbox)
    [old] = services.webhooks.find(["hook"])
    assert services.webhooks.unseal(old).password == "open sesame"

    again = forks.run(("accounts", "import", "--from", source), environment, tmp_path, "")
    assert again.returncode == 1
    assert "account 101: it is here already" in again.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--table", "customers"), "has no table customers"),
        (("--column", "secret=key"), "has no column for secret, but active, client_secret"),
        (("--column", "colour=red"), "'colour' is none of account_id, secret"),
        (("--column", "secret"), "is not of the form"),
    ],
)
def test_a_table_that_does_not_fit_is_named(
    forks: Forks,
    cli_environment: CliEnvironment,
    sandbox: SandboxServer,
    source: str,
    tmp_path: Path,
    options: tuple[str, ...],
    problem: str,
) -> None:
    environment = cli_environment(sandbox) | {"HOSTAWAY_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = forks.run(("accounts", "import", "--from", source, *options), environment, tmp_path, "")
    assert done.returncode == 1
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_view_that_writes_when_it_is_read_writes_nothing(source: str) -> None:
    with psycopg.connect(source) as connection:
        connection.execute("CREATE SEQUENCE reads")
        connection.execute("CREATE VIEW counted AS SELECT nextval('reads')::int AS id, 'secret' AS client_secret")
    with pytest.raises(ConfigurationError, match="reading counted would write there"):
        read_accounts(source, "counted", {})
    assert rows(source, "SELECT is_called FROM reads") == [{"is_called": False}]
