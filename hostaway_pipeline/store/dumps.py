"""Dumps whole databases with pg_dump, and restores them with pg_restore into empty ones.

Both are the programs of the embedded Postgres whose version suits the server; over TLS the installed ones, as those are
built without. Passwords reach them by the environment: arguments show in the list of processes.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from hostaway_pipeline.embedded.host import BUNDLED, ENVIRONMENT, error_line, program, run
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable
from hostaway_pipeline.store.reasons import cause
from hostaway_pipeline.store.sessions import connection_limits
from hostaway_pipeline.store.urls import address, libpq_environment, libpq_url, parse_url

_TABLES = """
SELECT count(*) FROM pg_class JOIN pg_namespace AS schema ON schema.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


def dump(url: str, file: Path) -> None:
    """Write one consistent state of the database into a new file. Raises DatabaseUnavailable."""
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={file}")


def restore(url: str, file: Path) -> None:
    """Fill an empty database. Raises DatabaseUnavailable; then the database is to be thrown away."""
    name = parse_url(url).database or ""
    _run(
        "pg_restore", url, "--no-owner", "--no-privileges", "--exit-on-error", "--jobs=2", f"--dbname={name}", str(file)
    )


def require_empty(url: str) -> None:
    """Raises ConfigurationError unless the database exists and has no tables."""
    with _connection(url) as connection:
        found = connection.execute(_TABLES).fetchone()
    if found is None or found[0]:
        shown = address(parse_url(url))
        raise ConfigurationError(f"{shown} is not empty: a backup is restored into an empty database only")


def _run(name: str, url: str, *arguments: str) -> None:
    with _connection(url) as connection:
        major, is_encrypted = connection.info.server_version // 10000, bool(connection.pgconn.ssl_in_use)
        # Of several hosts, the one that was chosen.
        host = {"PGHOST": connection.info.host, "PGPORT": str(connection.info.port)}
    path = _with_tls(name, major) if is_encrypted else program(name, _suiting(major))
    done = subprocess.run(
        [path, *arguments],
        env=ENVIRONMENT | libpq_environment(url) | host,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise DatabaseUnavailable(f"{name} of {address(parse_url(url))} failed: {error_line(done.stderr)}")


@contextmanager
def _connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    parsed = parse_url(url).set(drivername="postgresql")
    try:
        with psycopg.connect(libpq_url(parsed), **connection_limits(parsed)) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{address(parsed)}: {cause(error)}") from None


def _suiting(major: int) -> str:
    """The version of the bundled programs for a server of this one.

    A newer pg_dump writes settings that older servers do not know, and an older one refuses a newer server.
    """
    return next((bundled for bundled in BUNDLED if int(bundled) >= major), BUNDLED[-1])


def _with_tls(name: str, major: int) -> str:
    """The path of the installed program. Raises ConfigurationError unless there is one that suits the server."""
    path = shutil.which(name)
    said = run(path, "--version").stdout if path else ""
    found = re.search(r"\d+", said)
    if path and found and int(found[0]) >= major and _suiting(int(found[0])) == _suiting(major):
        return path
    raise ConfigurationError(
        f"over TLS, a backup needs {name} of Postgres {major}, and "
        + (f"{path} is of {found[0]}" if found else "none is installed")
        + f": install postgresql-client-{major}, or back up by the server's own means"
    )
