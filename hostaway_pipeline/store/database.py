"""Connections to Postgres, the statements in `queries/`, and the translation of failures into our errors."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg import sql
from sqlalchemy import Connection, Engine, Row, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hostaway_pipeline.errors import AccountError, ConfigurationError, DatabaseConflict, DatabaseUnavailable
from hostaway_pipeline.store.reasons import cause, reason_of
from hostaway_pipeline.store.rested import ping_rested
from hostaway_pipeline.store.schema import ENTITY_TABLES
from hostaway_pipeline.store.sessions import (
    connection_limits,
    prepare_session,
    require_own_sessions,
    require_usable_server,
    session_options,
)
from hostaway_pipeline.store.timing import timed_cursor
from hostaway_pipeline.store.urls import address, libpq_environment, libpq_url, parse_url

T = TypeVar("T")
# Hostaway waits 20 s for an answer to a delivery: its statement must end well before that.
_STATEMENT_MS = 10_000
# While Inbox.accept waits for one account's row, the deliveries of all other accounts wait as well.
_LOCK_MS = 1_000
# Backoff, in seconds, before a transaction that Postgres ended for the sake of another one is run again.
_CONFLICT_WAITS = (0.05, 0.2, 0.8)
# Single statements queue for row locks anyway: more connections would only move the queue into the server.
_SINGLE_CONNECTIONS = 4


class Database:
    """Four pools of connections to the hostaway database. Connects at the first use, not before."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._url = parse_url(url).set(drivername="postgresql")
        self._display = address(self._url)
        self.on_statement: Callable[[str, float], None] = lambda _name, _seconds: None
        """Called with the name and the duration in seconds of every statement."""
        single: dict[str, Any] = {"pool_size": _SINGLE_CONNECTIONS, "max_overflow": 0, "isolation_level": "AUTOCOMMIT"}
        self.engine = self._engine({}, pool_size=pool_size, max_overflow=pool_size)
        # A pool of its own, because switching a connection between the two modes costs as much as a statement.
        self._autocommit = self._engine({}, pool_size=pool_size, max_overflow=pool_size, isolation_level="AUTOCOMMIT")
        self._unsynced = self._engine({"synchronous_commit": "off"}, **single)
        timeouts = {"statement_timeout": str(_STATEMENT_MS), "lock_timeout": str(_LOCK_MS)}
        self._single = self._engine(timeouts, **single)
        for engine in (self.engine, self._autocommit, self._unsynced):
            ping_rested(engine)

    def _engine(self, own: Mapping[str, str], **options: Any) -> Engine:
        """`own`: settings of its sessions beside the usual ones."""
        connect: dict[str, Any] = {"application_name": "hostaway", **connection_limits(self._url)}
        # Looked up at each statement: telemetry sets it later.
        connect["cursor_factory"] = timed_cursor(lambda name, seconds: self.on_statement(name, seconds))  # noqa: PLW0108
        url = self._url.set(drivername="postgresql+psycopg")
        # LIFO reuses the connections that hold prepared statements.
        engine = create_engine(url, connect_args=connect, pool_use_lifo=True, **options)
        # Before SQLAlchemy's own first look at the server.
        event.listen(engine, "connect", lambda connection, _: prepare_session(connection, own), insert=True)
        return engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit at the end of the block. Raises DatabaseUnavailable when Postgres cannot be reached or is full."""
        with self._translate_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Run single statements, each a transaction of its own: BEGIN and COMMIT would be two round trips more."""
        with self._translate_errors(), self._autocommit.connect() as connection:
            yield connection

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which must be repeatable, in a transaction; retry it after a deadlock or a lock timeout.

        Raises DatabaseConflict when the last try fails as well, or as `transaction` does.
        """
        for wait in _CONFLICT_WAITS:
            try:
                with self.transaction() as connection:
                    return work(connection)
            except DatabaseConflict:
                time.sleep(random.uniform(wait / 2, wait))  # noqa: S311 (jitter is no secret)
        with self.transaction() as connection:
            return work(connection)

    @contextmanager
    def unsynced(self) -> Iterator[psycopg.Cursor[Any]]:
        """Run single statements that commit without waiting for the disk: a server crash may lose them."""
        with self._translate_errors(), self._unsynced.connect() as connection:
            yield driver(connection).cursor()

    @contextmanager
    def statement(self) -> Iterator[psycopg.Cursor[Any]]:
        """Run one durable statement in one round trip: no transaction around it, no ping of the connection before it.

        After DatabaseUnavailable the statement may have taken effect all the same.
        """
        with self._translate_errors(), self._single.connect() as connection:
            try:
                yield driver(connection).cursor()
            except psycopg.OperationalError:
                connection.invalidate()
                raise

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A session in autocommit mode, for locks: its end releases them, and the pool has the connection back.

        A connection whose locks could not be released is closed, so that nobody inherits them.
        """
        with self.autocommit() as connection:
            try:
                driver(connection).execute(query("keep_session"))
                yield connection
            finally:
                try:
                    driver(connection).execute("SELECT pg_advisory_unlock_all()")
                except (DBAPIError, psycopg.Error):
                    connection.invalidate()

    @contextmanager
    def dedicated(self) -> Iterator[Connection]:
        """Open a connection of its own in autocommit mode, for a lock of several threads: closing it releases it."""
        with self._translate_errors():
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                driver(connection).execute(query("keep_session"))
                yield connection
            finally:
                # Not returned to the pool: a lock that could not be released must not be inherited.
                with suppress(DBAPIError):
                    connection.invalidate()
                connection.close()

    def now(self) -> datetime:
        """The time by the database's clock, which all processes share."""
        with self.autocommit() as connection:
            moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment

    def check_server(self) -> None:
        """Raises ConfigurationError for a server or pooler that does not do, or DatabaseUnavailable."""
        with self.transaction() as connection:
            require_usable_server(connection, self._display)
        with self.statement() as one, self.statement() as other:
            require_own_sessions(one, other, self._display)

    def environment(self) -> dict[str, str]:
        """libpq's variables for programs that connect by themselves; of several hosts, the one in use."""
        with self.statement() as cursor:
            used = cursor.connection
            own = {"PGHOST": used.info.host, "PGPORT": str(used.info.port), "PGOPTIONS": session_options(used)}
        return libpq_environment(self.url(show_password=True)) | own

    def url(self, *, show_password: bool = False) -> str:
        return libpq_url(self._url, hide_password=not show_password)

    def ensure_sibling(self, name: str) -> None:
        """Create a database on the same server unless it exists."""
        with self._translate_errors(), self._unsynced.connect() as connection:
            cursor = driver(connection).cursor()
            if cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                try:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                except (pg.DuplicateDatabase, pg.UniqueViolation):
                    pass  # another process was faster
                except pg.InsufficientPrivilege:
                    raise ConfigurationError(
                        f"{self._display}: this user may not create the database {name!r}; create it, or set "
                        f"HOSTAWAY_DAGSTER_DATABASE_URL"
                    ) from None

    def dispose(self) -> None:
        for engine in (self.engine, self._autocommit, self._unsynced, self._single):
            engine.dispose()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, psycopg.Error) as error:
            if (interrupt := _interrupt_behind(error)) is not None:
                raise interrupt from None
            original = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(original, pg.ForeignKeyViolation):  # every foreign key refers to the account
                raise AccountError("the account was removed while its rows were being written") from None
            if isinstance(original, _CONFLICTS):
                raise DatabaseConflict(f"{self._display}: {_CONFLICT} ({cause(original)})") from None
            if (reason := reason_of(original)) is None:
                raise
            raise DatabaseUnavailable(f"{self._display}: {reason}") from None
        except PoolTimeout:
            raise DatabaseUnavailable(f"{self._display}: no connection became free in time") from None


def _interrupt_behind(error: BaseException) -> BaseException | None:
    """The interrupt, such as Ctrl-C, that was being unwound when this error occurred, if any.

    In the middle of a statement the connection is busy, so the rollback fails. Reported as a database failure, the
    interrupt would be swallowed, and the process would go on.
    """
    behind = error.__context__
    while behind is not None and isinstance(behind, Exception | GeneratorExit):
        behind = behind.__context__
    return behind


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """psycopg's connection below SQLAlchemy's: for COPY and for the statements in `queries/`."""
    below = connection.connection.driver_connection
    assert isinstance(below, psycopg.Connection)  # noqa: S101 (no other engine is created here)
    return below


def values_of(row: Row[Any]) -> tuple[Any, ...]:
    """The values of a result's row, to unpack into a dataclass: mypy cannot unpack the row itself."""
    return tuple(row)


@cache
def query(name: str, entity: str | None = None) -> str:
    """The text of `queries/<name>.sql`, with the table of `entity`, if given, in the place of `{table}`."""
    text = (files(__package__) / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    return text if entity is None else text.format(table=ENTITY_TABLES[entity])


# Two transactions collided. The server is fine, and a retry may succeed a moment later.
_CONFLICTS = (pg.DeadlockDetected, pg.SerializationFailure, pg.LockNotAvailable)
_CONFLICT = "another transaction holds the same rows; try again"
