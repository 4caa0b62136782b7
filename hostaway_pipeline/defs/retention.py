"""Retention: old events leave the inbox, and old runs Dagster's storage, which keeps everything by itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    OpExecutionContext,
    RunsFilter,
    ScheduleDefinition,
    job,
    op,
)

from hostaway_pipeline.defs.assets import entity_key
from hostaway_pipeline.defs.drainer import LANE
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES

_FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_BATCH = 500


@op(description="Deletes old webhook events, and old runs except those that hold a partition's newest materialization.")
def purge_old(context: OpExecutionContext, hostaway: HostawayResource) -> None:
    with hostaway.services() as services:
        settings = services.settings
        events = services.inbox.purge(older_than=timedelta(days=settings.events_kept_days))
    before = datetime.now(UTC) - timedelta(days=settings.runs_kept_days)
    runs = 0
    for run_id in old_runs(context.instance, before):
        context.instance.delete_run(run_id)
        runs += 1
    context.log.info(f"{events} webhook events and {runs} runs deleted")


@job(
    description="Deletes what is older than HOSTAWAY_EVENTS_KEPT_DAYS and HOSTAWAY_RUNS_KEPT_DAYS.", tags={LANE: "bulk"}
)
def purge() -> None:
    purge_old()


nightly_purge = ScheduleDefinition(
    name="nightly_purge",
    job=purge,
    cron_schedule="30 4 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)


def old_runs(instance: DagsterInstance, before: datetime) -> Iterator[str]:
    """Finished runs that may go. Each partition's newest materialization stays: its health is read from it."""
    kept = newest_runs(instance)
    cursor: str | None = None
    while True:
        chosen = RunsFilter(statuses=_FINISHED, created_before=before)
        records = instance.get_run_records(chosen, limit=_BATCH, cursor=cursor)
        yield from [record.dagster_run.run_id for record in records if record.dagster_run.run_id not in kept]
        kept_here = [record.dagster_run.run_id for record in records if record.dagster_run.run_id in kept]
        if len(records) < _BATCH:
            return
        # Only runs that stayed can be a cursor; without any, the next look begins at the front again.
        cursor = kept_here[-1] if kept_here else cursor


def newest_runs(instance: DagsterInstance) -> set[str]:
    """Runs that hold the newest materialization of any asset and partition."""
    runs: set[str] = set()
    for entity in ENTITIES:
        key = entity_key(entity)
        newest = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION
        )
        ids = sorted(newest.values())
        for start in range(0, len(ids), _BATCH):
            chosen = AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + _BATCH])
            runs |= {record.run_id for record in instance.fetch_materializations(chosen, limit=_BATCH).records}
    return runs
