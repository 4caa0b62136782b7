"""Runs the embedded Postgres: one private server per home folder, shared by the processes of this machine.

Drivers, tables and migrations belong to `store`, and the choice between this server and another to `wiring`.
"""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psutil

from hostaway_pipeline.embedded.host import (
    MAJOR,
    PORT,
    Owner,
    error_line,
    logged_error,
    make_reachable,
    make_socket_dir,
    open_private,
    program,
    require_made_by,
    require_named,
    require_private,
    run,
    server_owner,
    spawn,
    sync_folder,
    try_lock,
)
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable

_START_SECONDS = 120.0  # crash recovery replays up to max_wal_size
_STOP_SECONDS = 60.0
# log_min_messages=log leaves out ERROR, whose text quotes rows.
_SETTINGS = "max_connections=200 shared_buffers=128MB jit=off timezone=UTC log_timezone=UTC log_min_messages=log"
# The builtin provider (Postgres 17+) has C.UTF-8 everywhere; the C library of macOS has not.
_LOCALE = "--encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
_ACCESS = "--username=postgres --auth-local=trust --auth-host=reject --data-checksums"


class EmbeddedPostgres:
    """One Postgres per data folder. Raises ConfigurationError (a folder or user must change) or DatabaseUnavailable.

    Three flocks hold its state, as the kernel releases them with the process: `postgres.lock` while joining or leaving,
    `postgres.users` by every user, `postgres.alive` by all server processes, so that it is free once the last is gone.
    """

    def __init__(self, home: Path, major: str = MAJOR) -> None:
        self._home, self._major = home.expanduser().resolve(), major
        self._data, self._log = self._home / "postgres", self._home / "postgres.log"
        self._owner: Owner = None
        self._users: FileIO | None = None
        self._child: subprocess.Popen[str] | None = None  # the server, if this process launched it
        self._socket_dir: Path | None = None
        os.register_at_fork(after_in_child=self._forget)

    def start(self) -> None:
        """Join the server, or start it, and wait until it answers. Repeating it restarts a server that was killed."""
        with self._exclusive():
            if self._users is None:
                self._join()
            else:
                self._serve()

    def stop(self) -> None:
        """Leave the server; the last user stops it."""
        if self._users is not None:
            with self._exclusive():
                self._leave()

    def socket(self) -> Path:
        """The Unix socket. The server trusts whoever may enter its folder."""
        if self._socket_dir is None:
            raise DatabaseUnavailable("the embedded Postgres is not started in this process: call start() first")
        return self._socket_dir / f".s.PGSQL.{PORT}"

    def url(self, database: str, user: str = "postgres") -> str:
        """A libpq URL without a driver suffix. It names the port, which PGPORT would override otherwise."""
        host = quote(os.fsencode(self.socket().parent), safe="/")
        return f"postgresql://{user}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def psql(self, database: str) -> list[str]:
        """The command line of the bundled psql."""
        return [program("psql", self._major), "-d", self.url(database)]

    def ensure_database(self, name: str) -> None:
        """Create the database unless it exists. Safe when two processes do it at once."""
        options = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-v", f"name={name}")
        done = run(*self.psql("postgres"), *options, stdin='CREATE DATABASE :"name"')
        # duplicate_database, or unique_violation when another process committed in the meantime
        if done.returncode and not any(f"ERROR:  {state}:" in done.stderr for state in ("42P04", "23505")):
            raise DatabaseUnavailable(f"cannot create the database {name!r}: {error_line(done.stderr)}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._open("postgres.lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                try:
                    yield
                finally:  # closing alone would not release it if another thread has forked in between
                    fcntl.flock(lock, fcntl.LOCK_UN)
        except PermissionError as error:
            advice = f"run as the user that owns {self._home}, or set HOSTAWAY_HOME to a folder of your own"
            raise ConfigurationError(f"no permission for {error.filename or self._home}: {advice}") from error
        except OSError as error:
            place = error.filename or self._home
            raise DatabaseUnavailable(f"the embedded Postgres cannot use {place}: {error.strerror}") from error

    def _open(self, name: str) -> FileIO:
        return open(self._home / name, "ab", buffering=0, opener=open_private)

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
        users, self._users, self._socket_dir = self._users, None, None
        atexit.unregister(self.stop)
        if users is not None:
            with users:
                if try_lock(users):
                    self._shut_down()

    def _forget(self) -> None:
        """In a forked child: it is no user, so it must neither keep the users lock nor release it."""
        if self._users is not None:
            self._users.close()
        self._users = self._child = self._socket_dir = None

    def _prepare(self) -> None:
        self._owner = server_owner(self._data)
        for folder in (self._home, Path(program("postgres", self._major)).parent):
            make_reachable(folder, self._owner)
        if not self._data.exists() or not any(self._data.iterdir()):
            self._initialise()
        require_made_by(self._major, self._data)

    def _initialise(self) -> None:
        """Create the data under a unique name, then rename it: an orphaned initdb may still write to its own folder."""
        require_named(self._owner)
        for leftover in self._home.glob("postgres.init-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="postgres.init-", dir=self._home))
        try:
            if self._owner:
                os.chown(fresh, *self._owner)
            options = [*_LOCALE.split(), *_ACCESS.split(), *(f"--set={item}" for item in _SETTINGS.split())]
            done = run(program("initdb", self._major), "-D", str(fresh), *options, owner=self._owner)
            if done.returncode:
                raise DatabaseUnavailable(f"cannot make {self._data}: {error_line(done.stderr)}")
            fresh.rename(self._data)
            sync_folder(self._home)  # the new name must be on the disk before the first commit is
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _serve(self) -> None:
        """Launch a server if none is alive, and wait until it answers."""
        log_begin: int | None = None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with self._open("postgres.alive") as alive:
                if try_lock(alive) and self._postmaster() is None:  # a server started by hand holds no lock
                    if log_begin is not None:
                        raise DatabaseUnavailable(f"Postgres ended at its start: {logged_error(self._log, log_begin)}")
                    log_begin = self._launch(alive)
            if self._check_ready():
                return
            time.sleep(0.03)
        raise DatabaseUnavailable(f"no answer in {_START_SECONDS:.0f} s: {logged_error(self._log, log_begin or 0)}")

    def _launch(self, alive: FileIO) -> int:
        """Launch the server; returns the offset in the log at which its output begins."""
        folder = make_socket_dir(self._home, self._owner)
        # A killed server's pid may belong to a zombie or another program by now; Postgres would refuse to start.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        (folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
        quoted = str(folder).replace('"', '""')
        options = (f'--unix_socket_directories="{quoted}"', "--listen_addresses=", f"--port={PORT}")
        command = (program("postgres", self._major), "-D", str(self._data), *options)
        with self._open("postgres.log") as log:
            begin = os.fstat(log.fileno()).st_size
            self._child = spawn(command, self._owner, log=log, keep=alive)  # pg_ctl would not quote the paths
        return begin

    def _check_ready(self) -> bool:
        """Ask on the socket that the server itself names, as another process may have a different TMPDIR."""
        lines = self._pid_file()
        if len(lines) < 5 or not lines[4].startswith("/"):
            return False
        require_private(Path(lines[4]), self._owner)
        self._socket_dir = Path(lines[4])
        return run(program("pg_isready", self._major), "-d", self.url("postgres")).returncode == 0

    def _shut_down(self) -> None:
        """Stop every process of the server, and wait. Not by pg_ctl, which would signal any program with that pid."""
        deadline = time.monotonic() + _STOP_SECONDS
        with self._open("postgres.alive") as alive:
            while not try_lock(alive):
                postmaster = self._postmaster()
                with suppress(psutil.Error):  # it has just ended
                    if postmaster is not None:
                        postmaster.send_signal(signal.SIGINT)  # a fast shutdown; safe to repeat
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable(f"no stop in {_STOP_SECONDS:.0f} s: {logged_error(self._log)}")
                time.sleep(0.02)
        if self._child is not None:
            self._child.wait()  # leaves no zombie, even where init does not reap

    def _postmaster(self) -> psutil.Process | None:
        """The process that postmaster.pid names, if it is a server of this folder."""
        try:
            process = psutil.Process(int(self._pid_file()[0]))
            return process if str(self._data) in process.cmdline() else None
        except (IndexError, ValueError, psutil.Error):
            return None

    def _pid_file(self) -> list[str]:
        try:
            return os.fsdecode((self._data / "postmaster.pid").read_bytes()).splitlines()
        except FileNotFoundError:
            return []
