"""Postgres as Debian installs it, which speaks TLS: a primary, and a server that accepts no writes."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.embedded.host import Owner, run, server_owner, spawn
from tests.certificates import certificate
from tests.waiting import wait_until

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), default=None)
NAMES = ("hostaway", "dagster")
_INITDB = "--no-sync --encoding=UTF8 --locale=C --auth-local=trust"
_OPTIONS = "-c listen_addresses=localhost -c unix_socket_directories= -c ssl=on -c fsync=off"


@dataclass(frozen=True)
class TlsServers:
    """Ports of the two, and the certificate that signs theirs, which is of `localhost`; both demand TLS."""

    primary: int
    standby: int
    authority: Path

    def url(self, hosts: str, **parameters: str) -> str:
        values = {"sslmode": "verify-full", "sslrootcert": str(self.authority), **parameters}
        query = "&".join(f"{key}={value}" for key, value in values.items() if value)
        return f"postgresql://owner:se%40cret@{hosts}/hostaway?{query}"


@contextmanager
def tls_servers(folder: Path) -> Iterator[TlsServers]:
    """`folder`: one that the server's user may enter."""
    folder.chmod(0o755)
    primary, standby = folder / "primary", folder / "standby"
    owner, key = server_owner(primary), certificate(folder, "localhost")
    (folder / "password").write_text("se@cret", encoding="ascii")
    key.chmod(0o600)
    for path in (folder, key, folder / "password"):
        if owner:
            shutil.chown(path, *owner)
    authority = folder / "ca.pem"
    authority.write_text(_authority(key), encoding="ascii")
    _make(primary, owner)
    _must("/bin/cp", "-R", str(primary), str(standby), owner=owner)
    servers = TlsServers(free_port(), free_port(), authority)
    common = f"{_OPTIONS} -c ssl_cert_file={key} -c ssl_key_file={key}"
    running = []
    with open(folder / "log", "ab", buffering=0) as log:
        for data, port, refuses in ((primary, servers.primary, "off"), (standby, servers.standby, "on")):
            options = f"{common} -c port={port} -c default_transaction_read_only={refuses}"
            running.append(spawn([_program("postgres"), "-D", str(data), *options.split()], owner, log=log))
    try:
        wait_until(
            lambda: all(_answers(servers.url(f"localhost:{port}")) for port in (servers.primary, servers.standby))
        )
        yield servers
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            process.wait(60)


def _make(data: Path, owner: Owner) -> None:
    """Both databases are empty, as after CREATE DATABASE."""
    password = f"--pwfile={data.parent / 'password'}"
    _must(_program("initdb"), "-D", str(data), "-U", "owner", password, *_INITDB.split(), owner=owner)
    access = "hostssl all all all scram-sha-256\n"
    _must("/bin/sh", "-c", 'printf %s "$1" > "$2"', "sh", access, str(data / "pg_hba.conf"), owner=owner)
    created = "".join(f"CREATE DATABASE {name};\n" for name in NAMES)
    _must(_program("postgres"), "--single", "-D", str(data), "postgres", owner=owner, stdin=created)


def _program(name: str) -> str:
    assert BIN is not None
    return str(BIN / name)


def _must(*command: str, owner: Owner, stdin: str = "") -> None:
    done = run(*command, owner=owner, stdin=stdin)
    assert done.returncode == 0, done.stderr


def _authority(file: Path) -> str:
    """The certificate alone."""
    text = file.read_text(encoding="ascii")
    return text[text.index("-----BEGIN CERTIFICATE") :]


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
