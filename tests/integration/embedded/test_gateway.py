"""The gateway to a real embedded Postgres over real TCP: one user, always with a password."""

import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg import errors as pg

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.embedded.access import require_password
from hostaway_pipeline.embedded.gateway import HOST, Gateway
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable

PASSWORD = "the-right-password"
TLS, GSS, CANCEL, V3 = 80877103, 80877104, 80877102, 3 << 16


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="hostaway-tests-") as folder, EmbeddedPostgres(Path(folder)) as server:
        server.ensure_database("hostaway")
        with psycopg.connect(server.url("hostaway")) as connection:
            connection.execute(f"CREATE ROLE analyst LOGIN PASSWORD '{PASSWORD}'")
        require_password(server, user="analyst", database="hostaway")
        require_password(server, user="analyst", database="hostaway")
        yield server


@pytest.fixture
def port(server: EmbeddedPostgres) -> Iterator[int]:
    port = free_port()
    with Gateway(port, server.socket, user="analyst"):
        yield port


def connect(port: int, **changes: str) -> psycopg.Connection[tuple[object, ...]]:
    known = {"host": HOST, "dbname": "hostaway", "user": "analyst", "password": PASSWORD, "passfile": "/dev/null"}
    return psycopg.connect(port=port, autocommit=True, **(known | changes))  # type: ignore[arg-type]


def converse(port: int, packet: bytes) -> bytes:
    """What comes back to these bytes, until the gateway hangs up or nothing comes for a second."""
    received = b""
    with socket.create_connection((HOST, port), timeout=1) as client, suppress(ConnectionResetError, TimeoutError):
        client.sendall(packet)
        while chunk := client.recv(4096):
            received += chunk
    return received


def first_packet(code: int, body: bytes = b"") -> bytes:
    return struct.pack("!II", len(body) + 8, code) + body


def login(*fields: bytes) -> bytes:
    return first_packet(V3, b"\0".join(fields) + b"\0\0")


def test_the_right_password_opens_a_session(port: int) -> None:
    with connect(port) as connection:
        assert connection.execute("SELECT current_user, length(repeat('x', 3000000))").fetchone() == (
            "analyst",
            3000000,
        )


def test_large_results_pass(port: int) -> None:
    with connect(port) as connection:
        found = connection.execute("SELECT repeat(chr(97 + n % 26), 100000) FROM generate_series(1, 100) n").fetchall()
    assert [text for (text,) in found] == [chr(97 + n % 26) * 100000 for n in range(1, 101)]


@pytest.mark.parametrize(
    "changes",
    [{"password": "wrong"}, {"password": ""}, {"user": "postgres", "password": ""}, {"user": "postgres"},
     {"dbname": "postgres"}, {"dbname": "template1"}, {"replication": "true"}, {"replication": "database"}],
    ids=str,
)  # fmt: skip
def test_everything_else_is_refused(port: int, changes: dict[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError):
        connect(port, **changes)


def test_a_login_of_another_user_is_answered_with_the_reason(port: int) -> None:
    with pytest.raises(psycopg.OperationalError, match="only the user analyst may connect here"):
        connect(port, user="postgres")


@pytest.mark.parametrize(
    "packet",
    [
        login(b"user", b"analyst", b"user", b"postgres", b"database", b"hostaway"),
        login(b"user", b"postgres", b"user", b"analyst", b"database", b"hostaway"),
        login(b"user", b"analyst", b"database", b"hostaway", b"", b"user", b"postgres"),
        login(b"user", b"analyst\0\0user", b"postgres"),
        first_packet(V3, b"user\0postgres"),
        first_packet(V3),
        login(b"database", b"hostaway"),
        first_packet(2 << 16, b"hostaway\0postgres\0"),
        struct.pack("!II", 4, V3),
        struct.pack("!II", 1 << 30, V3),
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        first_packet(TLS) * 4,
        first_packet(TLS) + first_packet(GSS) + login(b"user", b"postgres", b"database", b"hostaway"),
        first_packet(CANCEL, b"\0" * 8),
        b"\0",
    ],
)
def test_no_first_packet_gets_in_without_a_password(port: int, packet: bytes) -> None:
    """A session would begin with AuthenticationOk: R, its length 8, and 0."""
    assert b"R\0\0\0\x08\0\0\0\0" not in converse(port, packet)


def test_a_statement_can_be_cancelled(port: int) -> None:
    with connect(port) as connection:
        is_cancelled = threading.Event()

        def cancel() -> None:
            while not is_cancelled.wait(0.3):  # once is not enough where the statement begins late
                connection.cancel_safe()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(pg.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        is_cancelled.set()
        canceller.join()


def test_the_server_still_trusts_its_socket_and_does_not_listen(server: EmbeddedPostgres, port: int) -> None:
    with psycopg.connect(server.url("hostaway")) as connection:
        assert connection.execute("SELECT current_user, current_setting('listen_addresses')").fetchone() == (
            "postgres", "",
        )  # fmt: skip


def test_too_many_clients_are_refused_and_leave_room_for_later_ones(port: int) -> None:
    waiting = [socket.create_connection((HOST, port)) for _ in range(40)]
    deadline = time.monotonic() + 60
    try:
        while True:  # until all are accepted
            try:
                connect(port).close()
            except psycopg.OperationalError:
                break
            assert time.monotonic() < deadline
    finally:
        for client in waiting:
            client.close()
    while True:
        try:
            connect(port).close()
            break
        except psycopg.OperationalError:
            assert time.monotonic() < deadline


def test_closing_cuts_sessions_and_frees_the_port(server: EmbeddedPostgres) -> None:
    port = free_port()
    with Gateway(port, server.socket, user="analyst"):
        connection = connect(port)
        with pytest.raises(ConfigurationError, match=f"port {port} cannot be used"):
            Gateway(port, server.socket, user="analyst")
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port))
    with Gateway(port, server.socket, user="analyst"):
        connect(port).close()


def test_a_server_that_does_not_run_is_reported(tmp_path: Path) -> None:
    port = free_port()
    with (
        Gateway(port, lambda: tmp_path / "none", user="analyst"),
        pytest.raises(psycopg.OperationalError, match="does not run at the moment"),
    ):
        connect(port)


def test_rules_that_do_not_take_effect_stop_everything(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken line makes Postgres keep the old rules, by which this user needs no password."""
    monkeypatch.setattr("hostaway_pipeline.embedded.access._RELOAD_SECONDS", 0.5)
    with psycopg.connect(server.url("hostaway"), autocommit=True) as connection:
        (path,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        connection.execute("CREATE ROLE guest LOGIN")
        before = Path(path).read_text()
        try:
            with Path(path).open("a") as rules:
                rules.write("broken\n")
            with pytest.raises(DatabaseUnavailable, match="does not ask 'guest' for a password"):
                require_password(server, user="guest", database="hostaway")
        finally:
            Path(path).write_text(before)
            connection.execute("SELECT pg_reload_conf()")
