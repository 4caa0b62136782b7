"""Dumps whole databases with pg_dump, and restores them with pg_restore into empty ones.

Both are the programs of the embedded Postgres whose version suits the server. Passwords reach them by the environment:
arguments show in the list of processes.
"""

import subprocess
from pathlib import Path

import psycopg

from hostaway_pipeline.embedded.host import BUNDLED, ENVIRONMENT, error_line, program
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable
from hostaway_pipeline.store.urls import address, libpq_environment, parse_url

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
    shown = address(parse_url(url))
    try:
        with psycopg.connect(_plain(url), connect_timeout=10) as connection:
            found = connection.execute(_TABLES).fetchone()
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{shown}: {error_line(str(error))}") from None
    if found is None or found[0]:
        raise ConfigurationError(f"{shown} is not empty: a backup is restored into an empty database only")


def server_major(url: str) -> int:
    """The major version of the server. Raises DatabaseUnavailable."""
    try:
        with psycopg.connect(_plain(url), connect_timeout=10) as connection:
            return connection.info.server_version // 10000
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{address(parse_url(url))}: {error_line(str(error))}") from None


def _run(name: str, url: str, *arguments: str) -> None:
    major = server_major(url)
    # A newer pg_dump writes settings that older servers do not know, and an older one refuses a newer server.
    suiting = next((bundled for bundled in BUNDLED if int(bundled) >= major), BUNDLED[-1])
    environment = ENVIRONMENT | libpq_environment(url)
    done = subprocess.run(
        [program(name, suiting), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise DatabaseUnavailable(f"{name} of {address(parse_url(url))} failed: {error_line(done.stderr)}")


def _plain(url: str) -> str:
    parsed = parse_url(url).set(drivername="postgresql")
    return parsed.render_as_string(hide_password=False)
