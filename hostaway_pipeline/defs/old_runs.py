"""What may be deleted from Dagster's storage, and how: `delete_run` alone leaves logs and check results behind."""

from collections.abc import Iterator
from datetime import datetime

from dagster import AssetRecordsFilter, DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

from hostaway_pipeline.defs.keys import entity_key
from hostaway_pipeline.domain.calendar import CALENDAR
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.trail_entries import TRAILS
from hostaway_pipeline.store.database import query

_FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_BATCH = 500


def delete_runs(instance: DagsterInstance, before: datetime) -> int:
    """Delete the runs of `old_runs` with their events and the logs and outputs on this machine; returns how many."""
    number = 0
    for number, run_id in enumerate(old_runs(instance, before), 1):  # noqa: B007 (the last number counts)
        instance.compute_log_manager.delete_logs(prefix=[run_id])  # first: without its run nothing would lead to them
        instance.delete_run(run_id)
    return number


def delete_check_results(instance: DagsterInstance, before: datetime) -> int:
    """Delete results of asset checks from before then, except the newest of each check; returns how many."""
    results = AssetCheckExecutionsTable
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        newest = [row[0] for row in connection.exec_driver_sql(query("newest_check_results"))]
        is_old = results.c.create_timestamp < before.replace(tzinfo=None)
        return int(connection.execute(results.delete().where(is_old, results.c.id.not_in(newest))).rowcount)


def old_runs(instance: DagsterInstance, before: datetime) -> Iterator[str]:
    """Yield the ids of finished runs to delete.

    Runs with the latest materialization of a partition stay, because Dagster derives the partition's status from it.
    """
    kept = latest_runs(instance)
    cursor: str | None = None
    while True:
        chosen = RunsFilter(statuses=_FINISHED, created_before=before)
        records = instance.get_run_records(chosen, limit=_BATCH, cursor=cursor)
        yield from [record.dagster_run.run_id for record in records if record.dagster_run.run_id not in kept]
        kept_here = [record.dagster_run.run_id for record in records if record.dagster_run.run_id in kept]
        if len(records) < _BATCH:
            return
        # Only a run that still exists can be the cursor. If this page kept none, the same cursor yields the next page.
        cursor = kept_here[-1] if kept_here else cursor


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
