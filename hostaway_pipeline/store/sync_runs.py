"""The history of syncs: one row per run, inserted at its start, so that a run that died is recognised."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg

from hostaway_pipeline.errors import AccountError, SyncInProgress
from hostaway_pipeline.store.database import Database, driver, query


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run in progress. It need not read conversations that were read after `baseline_at`."""

    id: int
    started_at: datetime
    baseline_at: datetime


def require_run(cursor: psycopg.Cursor[Any], run_id: int) -> None:
    """The fence, called in each transaction that writes.

    Raises AccountError when the account was removed, SyncInProgress when this process lost its lock to another one.
    """
    row = cursor.execute(query("require_run"), {"run_id": run_id}).fetchone()
    is_running, is_active = row or (False, False)
    if not is_active:
        raise AccountError("the account was removed while it was being synced")
    if not is_running:
        raise SyncInProgress(
            "this sync lost its lock, and another process syncs the account now; it wrote nothing more"
        )


class SyncRuns:
    """Records the start and the end of each sync."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(
        self, account_id: int, *, mode: str, source: str, dagster_run_id: str | None, entities: Iterable[str]
    ) -> StartedRun:
        """Record a start, under the account's lock."""
        values = {
            "account_id": account_id,
            "mode": mode,
            "source": source,
            "dagster_run_id": dagster_run_id,
            "entities": orjson.dumps({name: {} for name in entities}).decode(),
        }
        with self._database.autocommit() as connection:
            row = driver(connection).cursor().execute(query("start_run"), values).fetchone()
        assert row is not None  # noqa: S101 (it always inserts one)
        return StartedRun(*row)

    def finish(
        self,
        run_id: int,
        *,
        status: str,
        api_calls: int,
        http_429: int,
        entities: Mapping[str, Any],
        error: str | None,
    ) -> None:
        """Record the end, unless another process has ended the run already."""
        values = {
            "run_id": run_id,
            "status": status,
            "api_calls": api_calls,
            "http_429": http_429,
            "entities": orjson.dumps(entities).decode(),
            "error": error,
        }
        with self._database.autocommit() as connection:
            driver(connection).cursor().execute(query("finish_run"), values)
