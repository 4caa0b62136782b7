"""Retention: a nightly job deletes old events from the inbox and old runs from Dagster, which deletes none itself."""

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

from hostaway_pipeline.defs.keys import BULK, BULK_POOL, entity_key
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES

_FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_BATCH = 500


@op(
    pool=BULK_POOL,
    description="Deletes old webhook events, and old runs except those with the latest materialization of a partition.",
)
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
    description="Deletes events older than HOSTAWAY_EVENTS_KEPT_DAYS, and runs older than HOSTAWAY_RUNS_KEPT_DAYS.",
    tags=BULK,
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
    for entity in ENTITIES:
        key = entity_key(entity)
        latest = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION
        )
        ids = sorted(latest.values())
        for start in range(0, len(ids), _BATCH):
            chosen = AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + _BATCH])
            runs |= {record.run_id for record in instance.fetch_materializations(chosen, limit=_BATCH).records}
    return runs
