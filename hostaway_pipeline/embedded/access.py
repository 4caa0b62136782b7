"""Makes the embedded Postgres ask one user for a password on the socket where it trusts all others: pg_hba.conf."""

import os
import tempfile
import time
from pathlib import Path

from hostaway_pipeline.embedded.host import error_line, program, run, sync_folder
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.errors import DatabaseUnavailable

# The first rule that matches decides, so these stand before the rules of initdb. `all` does not cover replication.
_RULES = """\
# Of `hostaway db serve`: this user needs a password, and may connect to this database only.
local "{database}" "{user}" scram-sha-256
local all,replication "{user}" reject

"""
_RELOAD_SECONDS = 10.0


def require_password(server: EmbeddedPostgres, *, user: str, database: str) -> None:
    """Restrict `user` to `database`, with a password. No connection is cut, and no restart is needed.

    Raises DatabaseUnavailable unless the server then refuses the user without a password.
    """
    path = Path(_ask(server, "SHOW hba_file"))
    rules = _RULES.format(database=database, user=user)
    found = path.read_text(encoding="utf-8")
    if not found.startswith(rules):
        _replace(path, rules + found)
    _ask(server, "SELECT pg_reload_conf()")
    deadline = time.monotonic() + _RELOAD_SECONDS
    while not _is_password_demanded(server, user, database):  # the reload is asynchronous
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(f"Postgres does not ask {user!r} for a password: see {path} and the server's log")
        time.sleep(0.05)


def _ask(server: EmbeddedPostgres, statement: str) -> str:
    done = run(*server.psql("postgres"), "-XAtqc", statement)
    if done.returncode:
        raise DatabaseUnavailable(f"Postgres does not answer: {error_line(done.stderr)}")
    return done.stdout.strip()


def _is_password_demanded(server: EmbeddedPostgres, user: str, database: str) -> bool:
    url = f"{server.url(database, user)}&passfile=/dev/null"  # a ~/.pgpass may hold a password
    done = run(program("psql"), "-XAtwqc", "SELECT", "-d", url)
    return done.returncode != 0 and "no password supplied" in done.stderr


def _replace(path: Path, text: str) -> None:
    """Replace atomically, with the same owner and mode: the server must never read half a file."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    found = path.stat()
    os.chmod(name, found.st_mode)
    if os.geteuid() == 0:
        os.chown(name, found.st_uid, found.st_gid)
    os.replace(name, path)
    sync_folder(path.parent)
