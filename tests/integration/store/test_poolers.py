"""PgBouncer in front of Postgres: a pool in session mode works, one in transaction mode is refused."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.wiring import services_on
from tests.factories import OpenSandbox, add_account, assert_equal_to_source, make_settings, synced
from tests.waiting import wait_until

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="needs Debian's pgbouncer")
OpenPooler = Callable[[str], str]


@pytest.fixture
def open_pooler(database_url: str, embedded_folder: Path) -> Iterator[OpenPooler]:
    """Starts PgBouncer as it is installed, but for the pool mode; returns the URL of the database through it."""
    started: list[subprocess.Popen[bytes]] = []

    def start(mode: str) -> str:
        server, port = make_url(database_url), free_port()
        folder = server.query.get("host", server.host)
        settings = embedded_folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={folder} port={server.port or server.query.get('port', 5432)} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = {mode}\nlogfile =\n",
            encoding="utf-8",
        )
        settings.chmod(0o644)
        embedded_folder.chmod(0o755)
        owner = Path(str(folder)).stat()
        # It refuses to run as root.
        user = {} if os.getuid() else {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        started.append(subprocess.Popen([str(PGBOUNCER), str(settings)], **user))
        wait_until(lambda: _listens(port))
        return f"postgresql://postgres@127.0.0.1:{port}/{server.database}"

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_pool_in_session_mode_works(database_url: str, open_pooler: OpenPooler, open_sandbox: OpenSandbox) -> None:
    url, sandbox = open_pooler("session"), open_sandbox("59808:2:20")
    services = services_on(make_settings(url, sandbox.url), url)
    services.check()
    add_account(services, 59808)
    for _ in range(3):
        synced(services, 59808, mode="full")
    assert_equal_to_source(database_url, sandbox, 59808)
    services.close()


def test_a_pool_in_transaction_mode_is_refused(open_pooler: OpenPooler) -> None:
    database = Database(open_pooler("transaction"))
    with pytest.raises(ConfigurationError, match="pooler in transaction mode.*session mode"):
        database.check_server()
    database.dispose()


def test_a_pool_in_statement_mode_says_so_itself(open_pooler: OpenPooler) -> None:
    database = Database(open_pooler("statement"))
    with pytest.raises(DatabaseUnavailable, match="statement pooling mode"):
        database.check_server()
    database.dispose()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
