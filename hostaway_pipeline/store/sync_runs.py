"""The history of syncs: one row per run, inserted at its start, so that a run that died is recognised."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import ScalarSelect, func, insert, select, update

from hostaway_pipeline.errors import AccountError, SyncInProgress
from hostaway_pipeline.store.database import Database, query, values_of
from hostaway_pipeline.store.schema import sync_runs


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
        """Record a start, under the account's lock: runs that are still marked as running have died."""
        mine = sync_runs.c.account_id == account_id
        end_dead_runs = (
            update(sync_runs)
            .where(mine, sync_runs.c.status == "running")
            .values(status="interrupted", finished_at=func.now(), error="the process ended before the sync did")
        )
        new = (
            insert(sync_runs)
            .values(
                account_id=account_id,
                mode=mode,
                source=source,
                dagster_run_id=dagster_run_id,
                status="running",
                baseline_at=func.coalesce(_unfinished_baseline(account_id, mode), func.now()),
                entities={name: {} for name in entities},
            )
            .returning(sync_runs.c.id, sync_runs.c.started_at, sync_runs.c.baseline_at)
        )
        with self._database.transaction() as connection:
            connection.execute(end_dead_runs)
            return StartedRun(*values_of(connection.execute(new).one()))

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
            "status": status,
            "api_calls": api_calls,
            "http_429": http_429,
            "entities": entities,
            "error": error,
        }
        with self._database.autocommit() as connection:
            connection.execute(
                update(sync_runs)
                .where(sync_runs.c.id == run_id, sync_runs.c.status == "running")
                .values(**values, finished_at=func.clock_timestamp())
            )


def _unfinished_baseline(account_id: int, mode: str) -> ScalarSelect[datetime]:
    """The baseline of the newest run that read messages, if it ended early less than a day ago: to resume from it."""
    newest = (
        select(sync_runs.c.status, sync_runs.c.baseline_at)
        .where(
            sync_runs.c.account_id == account_id,
            sync_runs.c.mode == mode,
            sync_runs.c.entities.has_key("messages"),
        )
        .order_by(sync_runs.c.id.desc())
        .limit(1)
        .subquery()
    )
    a_day_ago = func.now() - func.make_interval(0, 0, 0, 1)
    is_unfinished = newest.c.status.in_(("interrupted", "failed")) & (newest.c.baseline_at > a_day_ago)
    return select(newest.c.baseline_at).where(is_unfinished).scalar_subquery()
