"""One sync per account at a time, among all processes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.exc import DBAPIError

from hostaway_pipeline.errors import SyncInProgress
from hostaway_pipeline.store.database import Database

_LOCK_CLASS = 4_301_002  # the first half of the advisory lock's key
_DRAINER = (4_301_003, 0)
_SENDING_CLASS = 4_301_004
_POLL_SECONDS = 0.5
_IS_HELD = """
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND classid = :first AND objid = :second AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""


@contextmanager
def account_lock(database: Database, account_id: int, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the account's lock for the block; a killed holder loses it with its connection.

    Raises SyncInProgress when another process still holds it after `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    taken = select(func.pg_try_advisory_lock(*_key(account_id)))
    with database.dedicated() as connection:
        while not connection.execute(taken).scalar_one():
            if time.monotonic() >= deadline:
                raise SyncInProgress(
                    f"account {account_id} is being synced by another process; wait for it, or use --wait"
                )
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            # Closing the connection would release it too, but only once the server has noticed.
            with suppress(DBAPIError):
                connection.execute(select(func.pg_advisory_unlock(*_key(account_id))))


@contextmanager
def drainer_lock(database: Database) -> Iterator[bool]:
    """One drainer of the inbox at a time: False for whoever comes second."""
    with _try_lock(database, *_DRAINER) as is_taken:
        yield is_taken


def is_drainer_alive(database: Database) -> bool:
    """Whether some process holds the drainer's lock: a killed one does not."""
    with database.transaction() as connection:
        values = {"first": _DRAINER[0], "second": _DRAINER[1]}
        return bool(connection.execute(text(_IS_HELD), values).scalar_one())


@contextmanager
def sending_lock(database: Database, message_id: int) -> Iterator[bool]:
    """One sender of an outbound message at a time: False for whoever comes second."""
    with _try_lock(database, _SENDING_CLASS, func.hashint8(message_id)) as is_taken:
        yield is_taken


@contextmanager
def _try_lock(database: Database, first: int, second: int | ColumnElement[int]) -> Iterator[bool]:
    with database.dedicated() as connection:
        is_taken = bool(connection.execute(select(func.pg_try_advisory_lock(first, second))).scalar_one())
        try:
            yield is_taken
        finally:
            if is_taken:
                with suppress(DBAPIError):
                    connection.execute(select(func.pg_advisory_unlock(first, second)))


def _key(account_id: int) -> tuple[int, ColumnElement[int]]:
    return _LOCK_CLASS, func.hashint8(account_id)
