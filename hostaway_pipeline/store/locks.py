"""Advisory locks among all processes: one sync per account, one drainer, one sender of a message, and living runs."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import DBAPIError

from hostaway_pipeline.errors import SyncInProgress
from hostaway_pipeline.store.database import Database, driver, query

_LOCK_CLASS = 4_301_002  # the first half of the advisory lock's key
_DRAINER = (4_301_003, 0)
_RUN_CLASS = 4_301_005
_WEBHOOK_CLASS = 4_301_006
# Registering takes a few requests.
_WEBHOOK_SECONDS = 60.0
_POLL_SECONDS = 0.5

Sleep = Callable[[float], None]


@contextmanager
def account_lock(
    database: Database, account_id: int, *, wait_seconds: float = 0, sleep: Sleep = time.sleep
) -> Iterator[None]:
    """Hold the account's lock for the block; a killed holder loses it with its connection.

    Raises SyncInProgress when another process still holds it after `wait_seconds`. A connection may die unnoticed: what
    a sync writes goes through the fence as well (`sync_runs.require_run`).
    """
    busy = f"account {account_id} is being synced by another process; wait for it, or use --wait"
    with _waiting_lock(database, _LOCK_CLASS, account_id, wait_seconds=wait_seconds, sleep=sleep, busy=busy):
        yield


@contextmanager
def webhook_lock(database: Database, account_id: int, *, sleep: Sleep = time.sleep) -> Iterator[None]:
    """One look after an account's webhook at a time: two that find none would register two."""
    busy = f"account {account_id}: another process is looking after the webhook"
    with _waiting_lock(database, _WEBHOOK_CLASS, account_id, wait_seconds=_WEBHOOK_SECONDS, sleep=sleep, busy=busy):
        yield


@contextmanager
def drainer_lock(database: Database) -> Iterator[bool]:
    """One drainer of the inbox at a time: False for whoever comes second."""
    with _try_lock(database, *_DRAINER) as is_taken:
        yield is_taken


@contextmanager
def run_lock(database: Database, run_id: str) -> Iterator[None]:
    """What proves that a run's process lives: to be held from its first statement to its last.

    Whoever kills the process, or cuts its connection, ends the proof.
    """
    with _try_lock(database, _RUN_CLASS, func.hashtext(run_id)):
        yield


def living_runs(database: Database, run_ids: Collection[str]) -> set[str]:
    """Those of these runs whose lock is held. Two runs of one hash in a billion would vouch for each other."""
    with database.transaction() as connection:
        rows = driver(connection).cursor().execute(query("living_runs"), {"class": _RUN_CLASS, "ids": list(run_ids)})
        return {run_id for (run_id,) in rows}


@contextmanager
def _waiting_lock(
    database: Database, lock_class: int, account_id: int, *, wait_seconds: float, sleep: Sleep, busy: str
) -> Iterator[None]:
    deadline = time.monotonic() + wait_seconds
    key = (lock_class, func.hashint8(account_id))
    with database.dedicated() as connection:
        while not connection.execute(select(func.pg_try_advisory_lock(*key))).scalar_one():
            if time.monotonic() >= deadline:
                raise SyncInProgress(busy)
            sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            # Closing the connection would release it too, but only once the server has noticed.
            with suppress(DBAPIError):
                connection.execute(select(func.pg_advisory_unlock(*key)))


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
