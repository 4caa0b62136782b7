"""What may be deleted from Dagster's storage, and how: its deletion of a run leaves logs and check results behind."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from dagster import AssetRecordsFilter, DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    ConcurrencySlotsTable,
    PendingStepsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import RunsTable

from hostaway_pipeline.defs.keys import entity_key
from hostaway_pipeline.domain.calendar import CALENDAR
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.trail_entries import TRAILS
from hostaway_pipeline.store.database import query

_FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_BATCH = 500
# Runs that are deleted at a time, with some hundred events each.
_PAGE = 100


def delete_runs(instance: DagsterInstance, before: datetime) -> int:
    """Delete the runs of `old_runs` with their events and the logs and outputs on this machine; returns how many."""
    number = 0
    for run_ids in old_runs(instance, before):
        _delete(instance, run_ids)
        number += len(run_ids)
    return number


def _delete(instance: DagsterInstance, run_ids: Sequence[str]) -> None:
    """Delete what Dagster would delete of each of these runs, but by a few statements for all of them.

    The runs go last: without its run, nothing would lead to what is left when this ends halfway.
    """
    for run_id in run_ids:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage, events, tags = instance.event_log_storage, SqlEventLogStorageTable, AssetEventTagsTable
    theirs = events.select().with_only_columns(events.c.id).where(events.c.run_id.in_(run_ids))
    holders: set[str] = set()
    with storage.index_connection() as connection:  # type: ignore[attr-defined]
        connection.execute(tags.delete().where(tags.c.event_id.in_(theirs)))
        connection.execute(events.delete().where(events.c.run_id.in_(run_ids)))
        for table in (ConcurrencySlotsTable, PendingStepsTable):
            found = table.select().with_only_columns(table.c.run_id).where(table.c.run_id.in_(run_ids))
            holders.update(row[0] for row in connection.execute(found))
    for run_id in holders:
        storage.free_concurrency_slots_for_run(run_id)
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.execute(RunsTable.delete().where(RunsTable.c.run_id.in_(run_ids)))


def delete_check_results(instance: DagsterInstance, before: datetime) -> int:
    """Delete results of asset checks from before then, except the newest of each check; returns how many."""
    results = AssetCheckExecutionsTable
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        newest = [row[0] for row in connection.exec_driver_sql(query("newest_check_results"))]
        is_old = results.c.create_timestamp < before.replace(tzinfo=None)
        return int(connection.execute(results.delete().where(is_old, results.c.id.not_in(newest))).rowcount)


def old_runs(instance: DagsterInstance, before: datetime) -> Iterator[list[str]]:
    """Yield the ids of finished runs to delete, in lists; the caller deletes each before it asks for the next.

    Runs with the latest materialization of a partition stay, because Dagster derives the partition's status from it.
    """
    kept = latest_runs(instance)
    cursor: str | None = None
    while True:
        chosen = RunsFilter(statuses=_FINISHED, created_before=before)
        run_ids = [one.dagster_run.run_id for one in instance.get_run_records(chosen, limit=_PAGE, cursor=cursor)]
        if old := [run_id for run_id in run_ids if run_id not in kept]:
            yield old
        if len(run_ids) < _PAGE:
            return
        # Only a run that still exists can be the cursor. If this page kept none, the same cursor yields the next page.
        cursor = next((run_id for run_id in reversed(run_ids) if run_id in kept), cursor)


def latest_runs(instance: DagsterInstance) -> set[str]:
    """Return the ids of runs with the latest materialization of any asset and partition."""
    runs: set[str] = set()
    for entity in (*ENTITIES, CALENDAR, TRAILS):
        key = entity_key(entity)
        latest = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION
        )
        ids = sorted(latest.values())
        for start in range(0, len(ids), _BATCH):
            chosen = AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + _BATCH])
            runs |= {record.run_id for record in instance.fetch_materializations(chosen, limit=_BATCH).records}
    return runs
