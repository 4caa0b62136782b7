"""`hostaway db serve` as an analyst uses it: over TCP, with what the command printed, until it is stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy import create_engine, text

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres

STOP_SECONDS = 30


@dataclass(frozen=True)
class Served:
    home: Path
    process: subprocess.Popen[str]
    printed: dict[str, str]

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.printed["psql"].removeprefix('psql "').rstrip('"'), autocommit=True)


def command(home: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("HOSTAWAY_", "PG"))}
    return subprocess.Popen(
        [sys.executable, "-m", "hostaway_pipeline", "db", *arguments],
        env=plain | {"HOSTAWAY_HOME": str(home)} | variables,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def serve(home: Path, port: int) -> Served:
    process = command(home, "serve", "--port", str(port))
    printed: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        name, _, value = line.strip().partition(" ")
        printed[name] = value.strip()
        if name == "Readable:":  # the last line
            return Served(home, process, printed)
    raise AssertionError(process.communicate()[1])


def stop(served: Served) -> float:
    """Seconds until the process has ended."""
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    _, stderr = served.process.communicate(timeout=60)
    assert "Traceback" not in stderr, stderr
    return time.monotonic() - began


@pytest.fixture(scope="module")
def served(embedded_folder: Path) -> Iterator[Served]:
    with EmbeddedPostgres(embedded_folder) as server:
        server.ensure_database("hostaway")
        with psycopg.connect(server.url("hostaway")) as connection:
            connection.execute("CREATE SCHEMA core")
            connection.execute("CREATE TABLE core.booking AS SELECT 3 AS nights")
    served = serve(embedded_folder, free_port())
    with EmbeddedPostgres(embedded_folder) as server, psycopg.connect(server.url("hostaway")) as connection:
        connection.execute("INSERT INTO hostaway.accounts (account_id, client_secret) VALUES (1, 'sealed')")
        connection.execute(
            "INSERT INTO hostaway.reservations (account_id, id, customer_id, nights, guest_name, raw_payload, "
            "content_hash) VALUES (1, 7, gen_random_uuid(), 3, 'Grace', '{}', '')"
        )
    yield served
    stop(served)


def test_an_analyst_reads_with_each_printed_address(served: Served) -> None:
    query = "SELECT nights FROM core.booking"
    with served.connect() as connection:
        assert connection.execute(query.encode()).fetchall() == [(3,)]
    engine = create_engine(served.printed["pandas"])
    with engine.connect() as through_sqlalchemy:
        assert through_sqlalchemy.scalar(text(query)) == 3
    engine.dispose()
    fields = {"host": "host", "port": "port", "database": "dbname", "user": "user", "password": "password"}
    with psycopg.connect(**{theirs: served.printed[ours] for ours, theirs in fields.items()}) as connection:  # type: ignore[arg-type]
        assert connection.execute(query.encode()).fetchall() == [(3,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM hostaway.reservations",
        "SELECT nights FROM hostaway.reservations",
        "UPDATE core.booking SET nights = 4",
        "SELECT client_secret FROM hostaway.accounts",
        "SELECT 1 FROM hostaway.webhook_events",
        "SELECT 1 FROM hostaway.outbound_messages",
        "SELECT raw_messages FROM hostaway.message_threads",
        "INSERT INTO hostaway.listings (account_id) VALUES (1)",
        "UPDATE hostaway.reservations SET nights = 4",
        "DELETE FROM hostaway.reservations",
        "CREATE TABLE public.mine (x int)",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE TEMP TABLE mine (x int)",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER ROLE analyst SUPERUSER",
        "CREATE ROLE mine",
        "COPY hostaway.reservations (id) TO PROGRAM 'cat'",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT passwd FROM pg_shadow",
    ],
)
def test_an_analyst_is_refused(served: Served, statement: str) -> None:
    """Also after leaving the read-only mode, which is a default only."""
    with served.connect() as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(pg.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_sessions_are_read_only_and_end_by_themselves(served: Served) -> None:
    with served.connect() as connection:
        names = ("default_transaction_read_only", "statement_timeout", "idle_in_transaction_session_timeout")
        assert [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names] == [
            ("on",), ("10min",), ("10min",),
        ]  # fmt: skip


def test_the_owner_cannot_log_in_over_tcp(served: Served) -> None:
    for password in (None, served.printed["password"]):
        with pytest.raises(psycopg.OperationalError, match="only the user analyst"):
            psycopg.connect(
                host="127.0.0.1", port=served.printed["port"], user="postgres", dbname="hostaway", password=password
            )


def test_a_second_server_says_why_not_in_one_line(served: Served) -> None:
    port = served.printed["port"]
    for chosen, reason in ((port, f"port {port} cannot be used"), (str(free_port()), "serves analysts already")):
        stdout, stderr = (process := command(served.home, "serve", "--port", chosen)).communicate(timeout=120)
        assert (process.returncode, stdout) == (1, "")
        assert reason in stderr
        assert stderr.count("\n") == 1


def test_the_password_is_in_no_log_and_no_command_line(served: Served) -> None:
    password = served.printed["password"]
    logs = [path.read_text(errors="replace") for path in served.home.rglob("*.log")]
    assert logs
    assert [log for log in logs if password in log] == []
    assert password not in str([p.info["cmdline"] for p in psutil.process_iter(["cmdline"])])


def test_the_url_says_that_the_server_stops(served: Served) -> None:
    stdout, stderr = command(served.home, "url").communicate(timeout=120)
    assert stdout.startswith("postgresql://postgres@/hostaway?host=")
    assert stdout.count("\n") == 1
    assert "`hostaway db serve` keeps it up" in stderr


def test_a_stop_cuts_sessions_and_leaves_nothing(embedded_folder: Path) -> None:
    home = embedded_folder / "stopped"
    home.mkdir()
    served = serve(home, free_port())
    first = served.printed["password"]
    connection = served.connect()
    assert stop(served) < STOP_SECONDS
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(served.printed["port"])))
    assert [p for p in psutil.process_iter(["cmdline"]) if str(home) in " ".join(p.info["cmdline"] or ())] == []

    again = serve(home, int(served.printed["port"]))
    assert again.printed["password"] != first
    stop(again)


def test_a_killed_postgres_is_started_again(embedded_folder: Path) -> None:
    home = embedded_folder / "killed"
    home.mkdir()
    served = serve(home, free_port())
    try:
        psutil.Process(int((home / "postgres/postmaster.pid").read_text().splitlines()[0])).kill()
        deadline = time.monotonic() + 60
        while True:
            try:
                served.connect().close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        stop(served)


def test_for_another_server_the_statements_are_printed(database_url: str, tmp_path: Path) -> None:
    process = command(tmp_path, "serve", HOSTAWAY_DATABASE_URL=database_url, HOSTAWAY_EGRESS="tests")
    statements, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr) == (0, "")
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.execute("CREATE TABLE marts.nights AS SELECT 1 AS night")
        connection.execute(statements.encode())
        connection.execute("SET ROLE analyst")
        assert connection.execute("SELECT count(*) FROM marts.nights").fetchone() == (1,)
