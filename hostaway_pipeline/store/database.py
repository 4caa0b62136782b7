"""One engine per process, and the one place where a database failure becomes an error of ours."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import Any, Self, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hostaway_pipeline.errors import AccountError, ConfigurationError, DatabaseConflict, DatabaseUnavailable

T = TypeVar("T")
OLDEST_SERVER = 140000
_CONNECT_SECONDS = 10
# Hostaway waits 20 s for an answer: a statement on the way of a delivery gives up before.
_STATEMENT_MS = 10_000
# A receiver that waits for one account's row keeps all the others waiting: see Inbox.accept.
_LOCK_MS = 1_000
# Two transactions that got into each other's way: one was ended by Postgres, and is tried again after so many seconds.
_CONFLICT_WAITS = (0.05, 0.2, 0.8)
# Callers of single statements queue for a row lock anyway: more connections would only queue in the server.
_UNSYNCED_CONNECTIONS = 4


class Database:
    """Connections to the hostaway database. Nothing is connected before the first use."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._url = make_url(url).set(drivername="postgresql")
        if "@" in (self._url.host or ""):  # it would be shown as the host's name
            raise ConfigurationError("the database URL holds more than one @: one in a name or password is written %40")
        parsed = self._url.set(drivername="postgresql+psycopg")
        self._display = URL.create("postgresql", host=parsed.host, port=parsed.port, database=parsed.database)
        self.on_statement: Callable[[str, float], None] = lambda _name, _seconds: None
        """Told the name and the seconds of every statement."""
        connect = {
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "hostaway",
            "cursor_factory": _timed_cursor(self),
        }
        self.engine = create_engine(
            parsed, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, connect_args=connect
        )
        self._unsynced = create_engine(
            parsed,
            pool_size=_UNSYNCED_CONNECTIONS,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="AUTOCOMMIT",
            connect_args={**connect, "options": "-c synchronous_commit=off"},
        )
        self._single = create_engine(
            parsed,
            pool_size=_UNSYNCED_CONNECTIONS,
            max_overflow=0,
            pool_use_lifo=True,  # as few as are needed at once are in use: their statements are prepared
            isolation_level="AUTOCOMMIT",
            connect_args={**connect, "options": f"-c statement_timeout={_STATEMENT_MS} -c lock_timeout={_LOCK_MS}"},
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commits at the end of the block. Raises DatabaseUnavailable when Postgres is away or full."""
        with self._translated(), self.engine.begin() as connection:
            yield connection

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction; again, a few times, when Postgres ended it for the sake of another one.

        `work` must be repeatable. Raises DatabaseConflict when the others do not give way, or as `transaction` does.
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
        """Single statements that commit at once without waiting for the disk: for what a crash may forget."""
        with self._translated(), self._unsynced.connect() as connection:
            yield driver(connection).cursor()

    @contextmanager
    def statement(self) -> Iterator[psycopg.Cursor[Any]]:
        """One durable statement in one round trip: no transaction around it, and no look before whether it can be sent.

        After DatabaseUnavailable it may have happened all the same.
        """
        with self._translated(), self._single.connect() as connection:
            try:
                yield driver(connection).cursor()
            except psycopg.OperationalError:
                connection.invalidate()
                raise

    @contextmanager
    def dedicated(self) -> Iterator[Connection]:
        """A connection of its own in autocommit mode, for session-level locks: closing it releases them."""
        with self._translated():
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                yield connection
            finally:
                # Not returned to the pool: a lock that could not be released must not be inherited.
                with suppress(DBAPIError):
                    connection.invalidate()
                connection.close()

    def check_server(self) -> None:
        """Raises when the server cannot be reached or is too old."""
        with self.transaction() as connection:
            version = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
        if int(version) < OLDEST_SERVER:
            raise ConfigurationError(f"{self._display}: Postgres {int(version) // 10000} is too old, 14 is the oldest")

    def url(self, *, show_password: bool = False) -> str:
        return self._url.render_as_string(hide_password=not show_password)

    def ensure_sibling(self, name: str) -> None:
        """Create a database on the same server unless it is there."""
        with self._translated(), self._unsynced.connect() as connection:
            cursor = driver(connection).cursor()
            if cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                try:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                except (pg.DuplicateDatabase, pg.UniqueViolation):
                    pass  # another process was faster
                except pg.InsufficientPrivilege:
                    raise ConfigurationError(
                        f"{self._display}: this user may not create the database {name!r}: create it, or set "
                        f"HOSTAWAY_DAGSTER_DATABASE_URL"
                    ) from None

    def dispose(self) -> None:
        self.engine.dispose()
        self._unsynced.dispose()
        self._single.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, psycopg.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(cause, pg.ForeignKeyViolation):  # every foreign key names the account
                raise AccountError("the account was removed while its rows were being written") from None
            if isinstance(cause, _CONFLICTS):
                raise DatabaseConflict(f"{self._display}: {_CONFLICT} ({_first_line(cause)})") from None
            reason = _unavailable(cause)
            if reason is None:
                raise
            raise DatabaseUnavailable(f"{self._display}: {reason}") from None
        except PoolTimeout:
            raise DatabaseUnavailable(f"{self._display}: no connection became free in time") from None


def sibling_url(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def libpq_environment(url: str) -> dict[str, str]:
    """The URL as the variables that psql reads."""
    parsed = make_url(url)
    values = {
        "PGHOST": parsed.host or parsed.query.get("host"),
        "PGPORT": parsed.port,
        "PGUSER": parsed.username,
        "PGPASSWORD": parsed.password,
        "PGDATABASE": parsed.database,
        "PGSSLMODE": parsed.query.get("sslmode"),
    }
    return {key: str(value) for key, value in values.items() if value}


def with_driver(url: str, drivername: str) -> str:
    return make_url(url).set(drivername=drivername).render_as_string(hide_password=False)


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """psycopg's connection below SQLAlchemy's: for COPY and for the statements in `queries/`."""
    found = connection.connection.driver_connection
    assert isinstance(found, psycopg.Connection)  # noqa: S101 (no other engine is created here)
    return found


@cache
def query(name: str) -> str:
    """The text of `queries/<name>.sql`: every statement that matters has a name and a comment."""
    return (files(__package__) / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def _timed_cursor(database: Database) -> type[psycopg.Cursor[Any]]:
    class TimedCursor(psycopg.Cursor[Any]):
        """Tells the database how long each statement took."""

        def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
            began = time.perf_counter()
            try:
                return super().execute(query, params, **options)
            finally:
                database.on_statement(_statement_name(query), time.perf_counter() - began)

    return TimedCursor


def _statement_name(query: object) -> str:
    """`-- merge: …` is merge; anything else goes by its first word."""
    if not isinstance(query, str):
        return "other"
    if query.startswith("-- "):
        return query[3 : query.index(":")]
    word = query.split(maxsplit=1)[0].lower()
    return "ping" if word == ";" else word


# One transaction made another wait or fail. The same may succeed a moment later: nothing is wrong with the server.
_CONFLICTS = (pg.DeadlockDetected, pg.SerializationFailure, pg.LockNotAvailable)
_CONFLICT = "another transaction holds the same rows; run the same again"

# What an operator can mend, by its class; anything else that fails is a mistake of ours and shows as such.
_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((pg.DiskFull,), "the database server's disk is full; free some space, then run the same again"),
    ((pg.InvalidCatalogName,), "the database does not exist; create it first"),
    (
        (pg.UndefinedTable, pg.UndefinedColumn, pg.InvalidSchemaName),
        "the database schema is not there or too old: run `hostaway db migrate`",
    ),
    ((pg.ReadOnlySqlTransaction,), "the database takes no writes: is this a replica?"),
    ((pg.InsufficientPrivilege,), "the database user lacks a right ({0})"),
    ((psycopg.OperationalError, psycopg.InterfaceError), "Postgres cannot be reached or went away ({0})"),
)


def _unavailable(error: BaseException | None) -> str | None:
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return reason.format(_first_line(error))
    return None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "connection lost"
