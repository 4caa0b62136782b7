"""One sync per account at a time, among all processes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import DBAPIError

from hostaway_pipeline.errors import SyncInProgress
from hostaway_pipeline.store.database import Database

_LOCK_CLASS = 4_301_002  # the first half of the advisory lock's key
_POLL_SECONDS = 0.5


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


def _key(account_id: int) -> tuple[int, ColumnElement[int]]:
    return _LOCK_CLASS, func.hashint8(account_id)
