"""What a connection needs to behave as ours on any server, and what no setting of a connection can put right.

A database or a user may have defaults of its own, such as another style of dates. They are set after the connection
was made, because poolers refuse the parameter `options` at its start.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL

from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable
from hostaway_pipeline.store.urls import CONNECT_SECONDS

OLDEST_SERVER = 14
_SETTINGS = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    # A higher level ends transactions that our locks and statements are written for.
    "default_transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "10min",
}
# Finds out in ten seconds that a host does not answer, and in two minutes, also in the middle of a statement, that the
# machine of the server is gone.
_LIMITS = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 120_000,
}
_LIMITED = 17  # from here on, a transaction has a time limit of its own
_ROUNDS = 3
_SERVER = (
    "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'), "
    "current_setting('transaction_read_only') = 'on'"
)


def connection_limits(url: URL) -> dict[str, Any]:
    """Parameters that end the wait for a host that is gone. What the URL says of them stands."""
    return {key: value for key, value in _LIMITS.items() if key not in url.query}


def session_statement(server_major: int, own: Mapping[str, str] | None = None) -> str:
    """One statement of several SETs. `own`: settings beside or instead of the usual ones."""
    values = {**_settings_of(server_major), **(own or {})}
    return "; ".join(f"SET {name} = '{value}'" for name, value in values.items())


def session_options(connection: psycopg.Connection[Any]) -> str:
    """The same settings as PGOPTIONS, for programs that connect by themselves.

    None behind a pooler, which refuses them. It shows by a process id that is not the server's.
    """
    if _session(connection.cursor()) != connection.pgconn.backend_pid:
        return ""
    values = _settings_of(connection.pgconn.server_version // 10000)
    return " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in values.items())


def prepare_session(connection: psycopg.Connection[Any], own: Mapping[str, str]) -> None:
    """Below psycopg, so that no transaction begins and no cursor counts it. Raises psycopg.OperationalError."""
    major = connection.pgconn.server_version // 10000
    result = connection.pgconn.exec_(session_statement(major, own).encode())
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError(result.get_error_message())


def prepare_psycopg2(engine: Engine) -> None:
    """Give each new connection of this engine the same settings: for Dagster's storage."""

    def prepare(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(session_statement(connection.server_version // 10000))
        connection.commit()

    event.listen(engine, "connect", prepare, insert=True)


def require_usable_server(connection: Connection, address: str) -> None:
    """Raises ConfigurationError, or DatabaseUnavailable where nothing can be written: one line that says what to do."""
    found = connection.exec_driver_sql(_SERVER).one()
    version, encoding, is_read_only = int(found[0]), str(found[1]), bool(found[2])
    if version < OLDEST_SERVER:
        raise ConfigurationError(f"{address}: Postgres {version} is too old; use {OLDEST_SERVER} or later")
    if encoding != "UTF8":
        raise ConfigurationError(
            f"{address}: the database has the encoding {encoding}, which cannot hold every text of Hostaway; use one "
            "made by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    if is_read_only:  # providers do that when a disk is full: so it is not ours to switch off
        raise DatabaseUnavailable(
            f"{address}: the database is read-only: a replica, or somebody has set default_transaction_read_only"
        )


def require_own_sessions(one: psycopg.Cursor[Any], other: psycopg.Cursor[Any], address: str) -> None:
    """Raises ConfigurationError when a pooler gives these two connections their sessions by the transaction.

    Advisory locks, prepared statements and settings belong to a session. The first connection keeps its session while
    the other one is in a transaction, if both have one of their own.
    """
    first = _session(one)
    for _ in range(_ROUNDS):
        other.execute("BEGIN")
        is_shared = _session(other) == first or _session(one) != first
        other.execute("ROLLBACK")
        if is_shared:
            raise ConfigurationError(
                f"{address}: a pooler in transaction mode is in front of Postgres; use a pool in session mode, or "
                "connect to Postgres itself"
            )


def _settings_of(server_major: int) -> dict[str, str]:
    return _SETTINGS | ({"transaction_timeout": "0"} if server_major >= _LIMITED else {})


def _session(cursor: psycopg.Cursor[Any]) -> int:
    found = cursor.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return int(found[0]) if found else 0
