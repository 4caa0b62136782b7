"""Advisory locks among all processes: one per account for its sync, token and webhook; one drainer; one build; runs.

All keys are listed here. The lease of a message that is being sent is a column: see outbox.py.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.exc import DBAPIError

from hostaway_pipeline.errors import DatabaseUnavailable, SyncInProgress
from hostaway_pipeline.store.database import Database, driver, query

# First half of each lock's key; the second half is the account's id or the hash of the run's. No other key exists.
_MIGRATION, _TOKEN, _ACCOUNT, _DRAINER, _RUN, _WEBHOOK, _ANALYSTS, _BUILD = (
    4_301_000,
    4_301_001,
    4_301_002,
    4_301_003,
    4_301_005,
    4_301_006,
    4_301_007,
    4_301_008,
)
# The longest that a registration of a webhook takes: it sends a few requests.
_WEBHOOK_SECONDS = 60.0
# Several times the longest build, which fills all tables of analysts from nothing.
_BUILD_SECONDS = 900.0
_POLL_SECONDS = 0.5
# How often a run repeats its lock. One that was lost is held again well before a second look at it (defs/liveness.py).
_BEAT_SECONDS = 3.0

Sleep = Callable[[float], None]


@contextmanager
def account_lock(
    database: Database, account_id: int, *, wait_seconds: float = 0, sleep: Sleep = time.sleep
) -> Iterator[None]:
    """Hold the lock for one sync of the account; Postgres releases it when the holder's connection ends.

    Raises SyncInProgress when another process still holds it after `wait_seconds`. A connection may die unnoticed, so
    every write of a sync passes a fence as well (`sync_runs.require_run`).
    """
    busy = f"account {account_id} is being synced by another process; wait for it, or use --wait"
    with _waiting_lock(database, _ACCOUNT, account_id, wait_seconds=wait_seconds, sleep=sleep, busy=busy):
        yield


@contextmanager
def webhook_lock(database: Database, account_id: int, *, sleep: Sleep = time.sleep) -> Iterator[None]:
    """Hold the lock for checking and registering an account's webhook: two processes would register two.

    Raises SyncInProgress when another process still holds it after a minute.
    """
    busy = f"account {account_id}: another process is registering the webhook"
    with _waiting_lock(database, _WEBHOOK, account_id, wait_seconds=_WEBHOOK_SECONDS, sleep=sleep, busy=busy):
        yield


@contextmanager
def drainer_lock(database: Database, *, wait_seconds: float = 0, sleep: Sleep = time.sleep) -> Iterator[bool]:
    """Try to become the one drainer of the inbox; yields False if another process still is after `wait_seconds`."""
    with _try_lock(database, _DRAINER, 0, wait_seconds, sleep) as is_taken:
        yield is_taken


@contextmanager
def analysts_lock(database: Database) -> Iterator[bool]:
    """Try to become the one process that serves analysts: each sets a password, which would end the others'."""
    with _try_lock(database, _ANALYSTS, 0) as is_taken:
        yield is_taken


@contextmanager
def build_lock(database: Database, *, sleep: Sleep = time.sleep) -> Iterator[None]:
    """Hold the lock for building the tables of analysts.

    Raises SyncInProgress when another process still holds it after a quarter of an hour.
    """
    busy = "another process is building the tables for analysts"
    with _waiting_lock(database, _BUILD, 0, wait_seconds=_BUILD_SECONDS, sleep=sleep, busy=busy):
        yield


@contextmanager
def run_lock(database: Database, run_id: str) -> Iterator[None]:
    """Prove that a Dagster run's process is alive: it holds this lock from its first statement to its last.

    Postgres releases the lock when the process is killed. When only its connection is cut, a thread takes it again.
    """
    lock = select(func.pg_try_advisory_lock(_RUN, func.hashtext(run_id)))
    ended = threading.Event()
    with database.dedicated() as connection:
        connection.execute(lock)
        keeper = threading.Thread(target=_keep_lock, args=(database, lock, connection, ended), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join(_BEAT_SECONDS)
            if not (keeper.is_alive() or connection.invalidated):
                with suppress(DBAPIError):
                    connection.execute(select(func.pg_advisory_unlock_all()))


def living_runs(database: Database, run_ids: Collection[str]) -> set[str]:
    """Those of these runs whose lock is held. Two runs whose hashes collide, one pair in billions, count as one."""
    with database.transaction() as connection:
        rows = driver(connection).cursor().execute(query("living_runs"), {"class": _RUN, "ids": list(run_ids)})
        return {run_id for (run_id,) in rows}


def lock_migrations(connection: Connection) -> None:
    """Wait until no other process migrates, and keep others waiting until this transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION)))


def try_token_lock(connection: Connection, account_id: int) -> bool:
    """Take the lock for renewing the account's token until this transaction ends; False while another holds it."""
    lock = select(func.pg_try_advisory_xact_lock(_TOKEN, func.hashint8(account_id)))
    return bool(connection.execute(lock).scalar_one())


@contextmanager
def _waiting_lock(
    database: Database, lock_class: int, account_id: int, *, wait_seconds: float, sleep: Sleep, busy: str
) -> Iterator[None]:
    deadline = time.monotonic() + wait_seconds
    key = (lock_class, func.hashint8(account_id))
    with database.session() as connection:
        attempt = select(func.pg_try_advisory_lock(*key))
        while not bool(connection.execute(attempt).scalar_one()):
            if time.monotonic() >= deadline:
                raise SyncInProgress(busy)
            sleep(_POLL_SECONDS)
        yield


def _keep_lock(database: Database, lock: Select[tuple[bool]], connection: Connection, ended: threading.Event) -> None:
    """Hold the lock until `ended`: on this connection until that is cut, then on new ones."""
    with suppress(DBAPIError):
        _repeat(lock, connection, ended)
    while not ended.wait(_POLL_SECONDS):
        with suppress(DatabaseUnavailable, DBAPIError), database.dedicated() as another:
            another.execute(lock)
            _repeat(lock, another, ended)


def _repeat(lock: Select[tuple[bool]], connection: Connection, ended: threading.Event) -> None:
    """Take the lock again and again, which its holder may: it shows a cut connection, and keeps it from idling."""
    while not ended.wait(_BEAT_SECONDS):
        connection.execute(lock)


@contextmanager
def _try_lock(
    database: Database, first: int, second: int, wait_seconds: float = 0, sleep: Sleep = time.sleep
) -> Iterator[bool]:
    deadline = time.monotonic() + wait_seconds
    with database.session() as connection:
        attempt = select(func.pg_try_advisory_lock(first, second))
        while not (is_taken := bool(connection.execute(attempt).scalar_one())) and time.monotonic() < deadline:
            sleep(_POLL_SECONDS)
        yield is_taken
