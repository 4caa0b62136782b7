"""Parses the URLs of databases and derives others from them. A URL that cannot be read as meant is refused unquoted."""

from contextlib import suppress

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hostaway_pipeline.errors import ConfigurationError


def parse_url(url: str) -> URL:
    """Raises ConfigurationError where part of a password would be read as host, port or database, which are shown."""
    with suppress(ArgumentError, ValueError):
        parsed = make_url(url)
        if "@" not in f"{parsed.host}{parsed.database}":
            return parsed
    raise ConfigurationError(
        "a database URL is of the form postgresql://user:password@host:port/database, where @ / : and ? in a name or "
        "password are written %40 %2F %3A and %3F"
    )


def sibling_url(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return parse_url(url).set(database=name).render_as_string(hide_password=False)


def with_driver(url: str, drivername: str) -> str:
    return parse_url(url).set(drivername=drivername).render_as_string(hide_password=False)


def libpq_environment(url: str) -> dict[str, str]:
    """The environment variables with which psql connects to this URL."""
    parsed = parse_url(url)
    values = {
        "PGHOST": parsed.host or parsed.query.get("host"),
        "PGPORT": parsed.port,
        "PGUSER": parsed.username,
        "PGPASSWORD": parsed.password,
        "PGDATABASE": parsed.database,
        "PGSSLMODE": parsed.query.get("sslmode"),
    }
    return {key: str(value) for key, value in values.items() if value}
