"""The embedded Postgres with real servers and processes: sharing it, stopping it, and surviving kills."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import sqlalchemy

from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable

NOBODY = 65534
NAMELESS = 31_234  # a container's user may be one that no file knows
PROJECT = Path(__file__).parents[3]
# Joins, says where, leaves when its stdin is closed.
A_USER = """
import sys
from pathlib import Path
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print(server.url("postgres"), flush=True)
    sys.stdin.read()
"""
A_FORKING_USER = A_USER.replace("    sys.stdin", "    __import__('os').fork()\n    sys.stdin")
ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another OS user")
ONLY_LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")

Join = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home() -> Iterator[Path]:
    """Not pytest's tmp_path: the next pytest run would close it to the server's user."""
    with tempfile.TemporaryDirectory(prefix="hostaway-tests-") as folder:
        yield Path(folder) / "home"


@pytest.fixture
def join(home: Path) -> Iterator[Join]:
    """Starts processes that use the server at `home`; ends those that a test leaves behind."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str = A_USER, **options: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", script, str(home)]
        process: subprocess.Popen[str] = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
        return process

    yield start
    for process in started:
        leave(process)
        process.stdout.close()  # type: ignore[union-attr]


def leave(process: "subprocess.Popen[str]") -> None:
    process.stdin.close()  # type: ignore[union-attr]
    process.wait(60)


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "postgres/postmaster.pid").read_text().splitlines()[0]))


def runs(process: psutil.Process) -> bool:
    """A zombie does not run: its parent left first, and init may be slow to reap it."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def write(server: EmbeddedPostgres, note: str) -> None:
    with psycopg.connect(server.url("hostaway")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (note text)")
        connection.execute("INSERT INTO notes VALUES (%s)", [note])


def notes(server: EmbeddedPostgres) -> list[str]:
    with psycopg.connect(server.url("hostaway")) as connection:
        return [row[0] for row in connection.execute("SELECT note FROM notes ORDER BY note")]


def test_data_survives_a_restart_from_another_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.parent)
    with EmbeddedPostgres(Path("home")) as server:
        monkeypatch.chdir("/")
        server.start()
        server.ensure_database("hostaway")
        server.ensure_database("hostaway")
        write(server, "grüße")
        first = postmaster(home)
    assert not runs(first)

    with EmbeddedPostgres(home) as server:
        assert notes(server) == ["grüße"]
        settings = subprocess.run(
            [*server.psql("hostaway"), "-XAtc", "SHOW jit", "-c", "SHOW max_connections", "-c", "SHOW fsync",
             "-c", "SHOW timezone", "-c", "SHOW server_encoding", "-c", "SHOW listen_addresses"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert settings.stdout.split("\n")[:6] == ["off", "200", "on", "UTC", "UTF8", ""]
    server.stop()
    with pytest.raises(DatabaseUnavailable, match="call start"):
        server.url("hostaway")


def test_processes_share_one_server_and_the_last_one_stops_it(home: Path, join: Join) -> None:
    first, second = join(), join()
    shared = postmaster(home)
    leave(first)
    third = join()
    assert postmaster(home).pid == shared.pid
    leave(second)
    assert runs(shared)
    leave(third)
    assert not runs(shared)
    assert not (home / "postgres/postmaster.pid").exists()


@pytest.mark.parametrize("script", [A_USER, A_FORKING_USER], ids=["alone", "with_a_forked_child_that_lives_on"])
def test_a_killed_user_is_not_counted(home: Path, join: Join, script: str) -> None:
    killed = join(script)
    left_up = postmaster(home)
    killed.kill()
    killed.wait()
    assert runs(left_up)

    with EmbeddedPostgres(home):
        assert postmaster(home).pid == left_up.pid
    assert not runs(left_up)


def test_a_killed_server_is_started_again(home: Path, join: Join) -> None:
    join()
    with EmbeddedPostgres(home) as server:
        server.ensure_database("hostaway")
        write(server, "before")
        killed = postmaster(home)
        killed.kill()
        server.start()
        assert postmaster(home).pid != killed.pid
        assert notes(server) == ["before"]


def test_a_stale_pid_that_belongs_to_another_program_is_ignored(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        owner = postmaster(home).uids().real
        server.ensure_database("hostaway")
        write(server, "before")
        stale = (home / "postgres/postmaster.pid").read_text()
        killed = postmaster(home)
        killed.kill()
        killed.wait(60)
        with subprocess.Popen(["sleep", "300"], user=owner if os.geteuid() == 0 else None) as stranger:
            (home / "postgres/postmaster.pid").write_text(stale.replace(str(killed.pid), str(stranger.pid), 1))
            (home / "run/.s.PGSQL.5432.lock").write_text(stale.replace(str(killed.pid), str(stranger.pid), 1))
            server.start()
            assert notes(server) == ["before"]
            server.stop()
            assert stranger.poll() is None
            stranger.kill()


def test_a_server_started_by_hand_is_used_and_left_alone(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        process = postmaster(home)
        command, user, group = process.cmdline(), process.uids().real, process.gids().real
    other: dict[str, Any] = {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
    by_hand: subprocess.Popen[bytes] = subprocess.Popen(command, cwd="/", stderr=subprocess.DEVNULL, **other)
    try:
        wait_until(lambda: "ready" in (home / "postgres/postmaster.pid").read_text(), FileNotFoundError)
        with server:
            assert postmaster(home).pid == by_hand.pid
            server.ensure_database("hostaway")
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait(60)


def is_interrupted(home: Path) -> bool:
    """Kill a process while it makes a new server; returns whether that came in time."""
    process = subprocess.Popen([sys.executable, "-c", A_USER, str(home)], cwd=PROJECT, stdin=subprocess.PIPE)
    wait_until(lambda: any(home.glob("postgres.init-*/base")) or (home / "postgres").exists())
    process.kill()
    process.communicate()
    return not (home / "postgres").exists()


def test_an_interrupted_init_leaves_nothing_broken(home: Path) -> None:
    home = next(one for one in (home / str(number) for number in range(5)) if is_interrupted(one))

    with EmbeddedPostgres(home) as server:
        server.ensure_database("hostaway")
    wait_until(lambda: not any(home.glob("postgres.init-*/base")) or not initdb_runs(home))


def wait_until(condition: Callable[[], bool], *expected: type[Exception]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if condition():
                return
        except expected:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.01)


def initdb_runs(home: Path) -> bool:
    return any(str(home) in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


@pytest.mark.parametrize(
    "name",
    ["/".join(["a_folder_with_a_long_name"] * 6), 'it\'s a "home" with spaces', "a,b:c%20$d"],
    ids=["long", "quotes", "separators"],
)
def test_unusual_paths_work(home: Path, name: str) -> None:
    with EmbeddedPostgres(home / name) as server:
        server.ensure_database('odd "name" it\'s')
        engine = sqlalchemy.create_engine(server.url('odd "name" it\'s').replace("://", "+psycopg2://"))
        with engine.connect() as connection:
            assert connection.scalar(sqlalchemy.text("SELECT current_database()")) == 'odd "name" it\'s'
            folder = Path(str(connection.scalar(sqlalchemy.text("SHOW unix_socket_directories"))).strip('"'))
        engine.dispose()
        psycopg.connect(server.url("postgres")).close()
    if folder.parent == Path(tempfile.gettempdir()):
        folder.rmdir()


def test_a_squatted_socket_folder_is_refused(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "run").mkdir()
    (home / "run").chmod(0o777)
    with pytest.raises(ConfigurationError, match="not a private folder"):
        EmbeddedPostgres(home).start()
    (home / "run").rmdir()
    (home / "run").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="not a private folder"):
        EmbeddedPostgres(home).start()


@pytest.mark.parametrize(("content", "message"), [("17\n", "made by Postgres 17"), (None, "no Postgres data folder")])
def test_a_foreign_data_folder_is_named(home: Path, content: str | None, message: str) -> None:
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / ("PG_VERSION" if content else "something")).write_text(content or "else")
    with pytest.raises(ConfigurationError, match=message) as caught:
        EmbeddedPostgres(home).start()
    assert "\n" not in str(caught.value)


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        pass
    with (home / "postgres/postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(DatabaseUnavailable, match=r'FATAL|"no_such_setting"'):
        server.start()


def test_concurrent_callers_make_one_database(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        failures: list[Exception] = []

        def make() -> None:
            try:
                server.ensure_database("hostaway")
            except DatabaseUnavailable as error:
                failures.append(error)

        threads = [threading.Thread(target=make) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        write(server, "works")


@ONLY_LINUX
def test_signals_and_descriptors_of_the_first_user_do_not_reach_the_server(home: Path, join: Join) -> None:
    def ignore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    first = join(preexec_fn=ignore, start_new_session=True)
    second = join()
    server = postmaster(home)
    paths = [os.readlink(link) for link in Path(f"/proc/{server.pid}/fd").iterdir()]
    assert not [path for path in paths if path.endswith((".users", ".lock"))]
    assert os.getsid(server.pid) != os.getsid(first.pid)
    os.killpg(first.pid, signal.SIGINT)
    leave(first)
    assert runs(server)
    leave(second)
    assert not runs(server)


def as_nobody(act: Callable[[], object]) -> str:
    """What the function returns, or the error's class and text, in a fork that became another OS user.

    A fork, since that user may not be able to read our Python.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, str(act()).encode())
        except BaseException as error:  # noqa: BLE001 (reported to the parent)
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, encoding="utf-8") as answer:
        return answer.read()


@ONLY_ROOT
def test_a_plain_user_has_a_server_of_its_own_which_root_can_join(home: Path) -> None:
    def use() -> str:
        with EmbeddedPostgres(home) as server:
            server.ensure_database("hostaway")
            write(server, "of a plain user")
            return f"{postmaster(home).uids().real} {server.url('hostaway')}"

    home.parent.chmod(0o755)
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    assert as_nobody(use).startswith(f"{NOBODY} postgresql://")
    with EmbeddedPostgres(home) as server:
        assert postmaster(home).uids().real == NOBODY
        assert as_nobody(use).startswith(f"{NOBODY} postgresql://")
        assert notes(server) == ["of a plain user"] * 2


@ONLY_ROOT
def test_a_user_without_a_name_is_told_how_to_get_one_and_may_use_what_exists(home: Path) -> None:
    home.parent.chmod(0o755)
    (home / "postgres").mkdir(parents=True)
    os.chown(home / "postgres", NAMELESS, 0)
    with pytest.raises(ConfigurationError, match=f"{NAMELESS} has no entry in /etc/passwd.*set HOSTAWAY_DATABASE_URL"):
        EmbeddedPostgres(home).start()
    with EmbeddedPostgres(home.parent / "made"):
        pass
    shutil.rmtree(home / "postgres")
    (home.parent / "made/postgres").rename(home / "postgres")
    for path in (home / "postgres", *(home / "postgres").rglob("*")):
        os.chown(path, NAMELESS, 0)
    with EmbeddedPostgres(home):
        assert postmaster(home).uids().real == NAMELESS


@ONLY_ROOT
def test_root_grants_access_to_the_servers_user_and_nobody_else(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(parents=True, mode=0o700)
    with EmbeddedPostgres(closed / "home") as server:
        assert postmaster(closed / "home").uids().real not in (0, NOBODY)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o701
        path = str(closed / "home/run/.s.PGSQL.5432")
        with socket.socket(socket.AF_UNIX) as client:
            assert as_nobody(lambda: client.connect(path)).startswith("PermissionError")
            client.connect(path)
        assert as_nobody(EmbeddedPostgres(closed / "home").start).startswith("ConfigurationError: no permission for")
        assert as_nobody(server.start).startswith("ConfigurationError: no permission for")
