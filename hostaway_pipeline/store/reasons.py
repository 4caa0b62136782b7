"""Says in one line why Postgres cannot be used, with the way out where one is known."""

import re

import psycopg
from psycopg import errors as pg

# Failures that an operator can fix. Any other one is a bug, and keeps its traceback.
_NO_SCHEMA = (pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidSchemaName)
_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((pg.DiskFull,), "the database server's disk is full; free some space, then try again"),
    ((pg.InvalidCatalogName,), "the database does not exist; create it first"),
    (_NO_SCHEMA, "the database schema is missing or too old; run `hostaway db migrate`"),
    ((pg.ReadOnlySqlTransaction,), "the database is read-only; is this a replica?"),
    ((pg.InsufficientPrivilege,), "the database user lacks a privilege ({0})"),
    ((psycopg.OperationalError, psycopg.InterfaceError), "Postgres cannot be reached or went away ({0})"),
)
# What libpq says of TLS, and what to do.
_ADVICE = {
    "certificate verify failed": "sslrootcert in the URL must name the certificate of the authority that signed the "
    "server's",
    "does not match host name": "use a host name that is in the server's certificate; sslmode=verify-ca compares none",
    "root certificate file": "set sslrootcert in the URL to the file of the authority's certificate",
    "no encryption": "the server wants TLS: set sslmode=verify-full, or at least require, in the URL",
    "does not support SSL": "turn TLS on at the server; without, sslmode=prefer connects",
}
# psycopg's list of what happened at each of several addresses.
_ATTEMPT = re.compile(
    r"^- host: '?(?P<host>.*?)'?, port: '?(?P<port>.*?)'?, hostaddr: \S+: (?P<said>.*)$", re.MULTILINE
)
_PLACE = re.compile(r"^connection (?:failed|is bad): connection to server .*? failed: ")


def reason_of(error: BaseException | None) -> str | None:
    """None for a failure that no operator can fix."""
    return next((text.format(cause(error)) for kinds, text in _REASONS if isinstance(error, kinds)), None)


def cause(error: BaseException | None) -> str:
    """What the server or libpq said, in one line; of several hosts, what each did."""
    text = str(error).strip()
    said = [f"{one['host']}:{one['port']}: {_PLACE.sub('', one['said'])}" for one in _ATTEMPT.finditer(text)]
    line = "; ".join(dict.fromkeys(said)) or next(iter(text.splitlines()), "connection lost")
    advice = [way_out for words, way_out in _ADVICE.items() if words in line]
    return f"{line}: {advice[0]}" if advice else line
