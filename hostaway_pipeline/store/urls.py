"""Parses the URLs of databases and derives others from them. A URL that cannot be read as meant is refused unquoted.

libpq's own form with several hosts, `postgresql://user@one:5432,two:5433/db`, becomes SQLAlchemy's, which has them in
the query, and is given to others as it came. All commands, dbt and Dagster get the same parameters of it.
"""

import re
from contextlib import suppress
from functools import cache
from urllib.parse import quote

from psycopg import pq
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hostaway_pipeline.errors import ConfigurationError

CONNECT_SECONDS = 10
_SEVERAL_HOSTS = re.compile(
    r"(?P<before>[a-z0-9+]+://(?:[^@/]*@)?)(?P<hosts>[^@/?,]+(?:,[^@/?,]+)+)(?P<after>(?:[/?].*)?)"
)


def parse_url(url: str) -> URL:
    """Raises ConfigurationError, also where part of a password would be read as host, port or database and be shown."""
    with suppress(ArgumentError, ValueError):
        parsed = make_url(_with_hosts_in_query(url))
        if "@" not in f"{parsed.host}{parsed.database}{_hosts(parsed)}":
            _require_plausible(parsed)
            return parsed
    raise ConfigurationError(
        "a database URL is of the form postgresql://user:password@host:port/database, where @ / : and ? in a name or "
        "password are written %40 %2F %3A and %3F"
    )


def sibling_url(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return libpq_url(parse_url(url).set(database=name))


def with_driver(url: str, drivername: str) -> str:
    """The URL for SQLAlchemy, which picks the driver by it."""
    return parse_url(url).set(drivername=drivername).render_as_string(hide_password=False)


def address(url: URL) -> str:
    """Hosts, ports and database, without anything that is secret: for messages."""
    if hosts := _hosts(url):
        return f"postgresql://{','.join(hosts)}/{url.database or ''}"
    return str(URL.create("postgresql", host=url.host, port=url.port, database=url.database))


def libpq_url(url: URL, *, hide_password: bool = False) -> str:
    """The URL as libpq reads it: for psycopg and for programs of Postgres."""
    hosts = _hosts(url)
    if not hosts or (len(hosts) == 1 and hosts[0].startswith("/")):
        return url.render_as_string(hide_password=hide_password)
    text = url.difference_update_query(["host"]).set(host="|").render_as_string(hide_password=hide_password)
    return text.replace("|", ",".join(quote(host, safe=":[]") for host in hosts), 1)


def libpq_environment(url: str) -> dict[str, str]:
    """The environment variables with which psql, pg_dump and dbt connect to this URL.

    Parameters without a variable, such as keepalives, are left out. None of the programs waits for a host for ever.
    """
    _, values = PGDialect_psycopg().create_connect_args(parse_url(url))  # type: ignore[no-untyped-call]
    variables = _parameters()
    found = {variables[key]: str(value) for key, value in values.items() if value and variables.get(key)}
    return {"PGCONNECT_TIMEOUT": str(CONNECT_SECONDS), **found}


@cache
def _parameters() -> dict[str, str]:
    """The connection parameters that libpq knows, and the environment variable of each; empty for none."""
    found = pq.Conninfo.get_defaults()
    return {option.keyword.decode(): (option.envvar or b"").decode() for option in found}


def _require_plausible(parsed: URL) -> None:
    for key in parsed.query:
        if key not in _parameters():
            raise ConfigurationError(f"a database URL has the parameter {key!r}, which Postgres does not know")
    ports = [] if parsed.port is None else [str(parsed.port)]
    for host in _hosts(parsed):
        if ":" in host and not host.endswith("]"):
            ports.append(host.rpartition(":")[2])
    if not all(port.isascii() and port.isdigit() and 0 < int(port) < 2**16 for port in ports):
        raise ConfigurationError("a port of a database URL must be a number from 1 to 65535")


def _with_hosts_in_query(url: str) -> str:
    found = _SEVERAL_HOSTS.fullmatch(url)
    if found is None:
        return url
    path, _, query = found["after"].partition("?")
    hosts = [f"host={host}" for host in found["hosts"].split(",")]
    return f"{found['before']}{path or '/'}?{'&'.join([*hosts, *filter(None, [query])])}"


def _hosts(parsed: URL) -> list[str]:
    """The hosts in the query, each with its port."""
    found = parsed.query.get("host", ())
    return [found] if isinstance(found, str) else list(found)
