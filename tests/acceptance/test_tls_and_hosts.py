"""Servers of others over TLS, and several hosts in one URL: what each command does with the URL of the settings."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.defs.storage import PooledPostgresStorage, session_engine
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable
from hostaway_pipeline.marts.runner import profile_environment
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.dumps import dump, require_empty, restore
from hostaway_pipeline.store.foreign_accounts import read_accounts
from hostaway_pipeline.store.urls import sibling_url, with_driver
from hostaway_pipeline.wiring import psql_command, services_on
from tests.acceptance.forks import Forks, forking
from tests.certificates import certificate
from tests.factories import ENCRYPTION_KEYS, make_settings
from tests.tls_servers import BIN, TlsServers, tls_servers

pytestmark = pytest.mark.skipif(BIN is None, reason="needs Debian's postgresql")
PROJECT = Path(__file__).parents[2] / "dbt_models"
WHERE = "SELECT inet_server_port(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
NO_API = "http://127.0.0.1:1/v1"
Hostaway = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def servers(embedded_folder: Path) -> Iterator[TlsServers]:
    with tls_servers(embedded_folder) as servers:
        yield servers


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as forks:
        yield forks


@pytest.fixture
def hostaway(forks: Forks, tmp_path: Path) -> Hostaway:
    """Runs a command on the database of a URL: `hostaway(url, "doctor")`."""

    def run(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        plain = {key: value for key, value in os.environ.items() if not key.startswith("HOSTAWAY_")}
        ours = {"DATABASE_URL": url, "ENCRYPTION_KEYS": ENCRYPTION_KEYS, "API_URL": NO_API, "EGRESS": "tests"}
        named = {f"HOSTAWAY_{key}": value for key, value in ours.items()}
        return forks.run(arguments, plain | named | {"HOSTAWAY_HOME": str(tmp_path)}, tmp_path, "")

    return run


@pytest.fixture
def several(servers: TlsServers) -> str:
    """A host that is down, one that accepts no writes, and the primary."""
    hosts = f"localhost:{free_port()},localhost:{servers.standby},localhost:{servers.primary}"
    return servers.url(hosts, target_session_attrs="read-write")


def only_line(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def settings_of(url: str) -> Settings:
    return make_settings(url, NO_API)


def test_every_command_reaches_the_primary_over_tls(
    servers: TlsServers, several: str, hostaway: Hostaway, tmp_path: Path
) -> None:
    migrated = hostaway(several, "db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert "ok    schema     up to date" in hostaway(several, "doctor").stdout
    command, environment = psql_command(settings_of(several))
    answer = subprocess.run(
        [*command, "-XAtc", WHERE], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"{servers.primary}|t\n"
    said = hostaway(several, "db", "url", "--show-password").stdout.strip()
    for url in (several, said, sibling_url(several, "dagster")):
        with psycopg.connect(url) as connection:
            assert connection.execute(WHERE.encode()).fetchone() == (servers.primary, True)
    services = services_on(settings_of(several), several)
    services.check()
    profile = profile_environment(services)
    services.close()
    options = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--log-path", str(tmp_path)]
    dbt = [sys.executable, "-m", "dbt.cli.main", "debug", "--connection", *options]
    assert (
        "OK connection ok"
        in subprocess.run(dbt, env=os.environ | profile, capture_output=True, text=True, check=True, timeout=60).stdout
    )


def test_dagsters_storage_reaches_the_primary_over_tls_and_waits_for_no_host_for_ever(
    servers: TlsServers, several: str
) -> None:
    storage = PooledPostgresStorage(with_driver(sibling_url(several, "dagster"), "postgresql+psycopg2"))
    assert "connect_timeout=10" in storage.postgres_url
    engine = session_engine(storage.postgres_url)
    with engine.connect() as connection:
        assert tuple(connection.execute(text(WHERE)).one()) == (servers.primary, True)
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar_one() == 0
    engine.dispose()


def test_backups_and_the_accounts_of_others_are_read_over_tls(
    servers: TlsServers, several: str, tmp_path: Path
) -> None:
    source, target = sibling_url(several, "postgres"), sibling_url(several, "restored")
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute("CREATE TABLE accounts AS SELECT 59808 AS account_id, 'a secret' AS secret")
        connection.execute("CREATE DATABASE restored TEMPLATE template0")
    assert [account.account_id for account in read_accounts(source, "accounts", {})] == [59808]
    dump(source, tmp_path / "dump")
    require_empty(target)
    restore(target, tmp_path / "dump")
    with pytest.raises(ConfigurationError, match=f"localhost:{servers.primary}/restored is not empty"):
        require_empty(target)


def test_backups_over_tls_name_the_program_that_they_lack(
    several: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"over TLS, .* needs pg_dump of Postgres \d+, and none is installed"):
        dump(several, tmp_path / "dump")
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n", encoding="ascii")
    old.chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"pg_dump is of 9: install postgresql-client-\d+"):
        dump(several, tmp_path / "dump")


def test_a_server_that_cannot_be_trusted_is_refused_in_one_line(
    servers: TlsServers, hostaway: Hostaway, tmp_path: Path
) -> None:
    here = f"localhost:{servers.primary}"
    other = servers.url(here, sslrootcert=str(certificate(tmp_path, "localhost")))
    line = only_line(hostaway(other, "db", "migrate"))
    assert "certificate verify failed" in line
    assert "sslrootcert in the URL must name the certificate of the authority" in line
    assert f"FAIL  database   {line.removeprefix('hostaway: ')}" in hostaway(other, "doctor").stdout


@pytest.mark.parametrize(
    ("host", "parameters", "advice"),
    [
        ("127.0.0.1", {}, "use a host name that is in the server's certificate"),
        ("localhost", {"sslrootcert": "/no/such/file"}, "set sslrootcert in the URL to the file"),
        ("localhost", {"sslmode": "disable"}, "the server wants TLS: set sslmode=verify-full"),
    ],
)
def test_what_is_wrong_with_tls_comes_with_the_way_out(
    servers: TlsServers, host: str, parameters: dict[str, str], advice: str
) -> None:
    database = Database(servers.url(f"{host}:{servers.primary}", **parameters))
    with pytest.raises(DatabaseUnavailable, match=f"{servers.primary}.*{advice}") as caught:
        database.check_server()
    assert "cret" not in str(caught.value)


def test_what_each_host_did_is_said_where_none_will_do(servers: TlsServers) -> None:
    dead = free_port()
    url = servers.url(f"localhost:{servers.standby},localhost:{dead}", target_session_attrs="read-write")
    database = Database(url)
    said = f"localhost:{servers.standby}: session is read-only; localhost:{dead}: Connection refused"
    with pytest.raises(DatabaseUnavailable, match=said):
        database.check_server()


def test_hosts_that_are_silent_are_given_up_in_the_time_of_the_url(servers: TlsServers, hostaway: Hostaway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [silent.getsockname()[1] for silent in (one, two)]
        url = servers.url(",".join(f"127.0.0.1:{port}" for port in ports), connect_timeout="1")
        line = only_line(hostaway(url, "db", "migrate"))
        assert f"127.0.0.1:{ports[1]}: connection timeout expired" in line
