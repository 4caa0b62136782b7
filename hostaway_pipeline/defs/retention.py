"""Retention: a nightly job deletes what is old from our tables and from Dagster's, which deletes only ticks itself."""

from datetime import UTC, datetime, timedelta

from dagster import DefaultScheduleStatus, OpExecutionContext, ScheduleDefinition, job, op

from hostaway_pipeline.defs.keys import BULK, BULK_POOL
from hostaway_pipeline.defs.old_runs import delete_check_results, delete_runs
from hostaway_pipeline.defs.resources import HostawayResource


@op(
    pool=BULK_POOL,
    description="Deletes old webhook events, and old runs except those with the latest materialization of a partition.",
)
def purge_old(context: OpExecutionContext, hostaway: HostawayResource) -> None:
    with hostaway.services() as services:
        settings = services.settings
        runs_kept = timedelta(days=settings.runs_kept_days)
        versions_kept = settings.versions_retention
        accounts_kept = settings.removed_accounts_kept_days
        before = datetime.now(UTC) - runs_kept
        deleted = {
            "webhook events": services.retention.purge_events(timedelta(days=settings.events_kept_days)),
            "failed events": services.retention.purge_failed_events(timedelta(days=settings.failed_events_kept_days)),
            "removed accounts": services.retention.purge_removed_accounts(timedelta(days=accounts_kept))
            if accounts_kept
            else 0,
            "guests of tombstones": services.erasure.forget_tombstones(timedelta(days=settings.tombstones_kept_days)),
            "syncs": services.retention.purge_sync_runs(runs_kept),
            "rate scopes": services.retention.purge_rate_scopes(),
            "texts of erased guests": services.erasure.repeat(),
            "versions": services.retention.purge_versions(versions_kept) if versions_kept else 0,
            "runs": delete_runs(context.instance, before),
            "check results": delete_check_results(context.instance, before),
        }
        services.retention.sum_row_counts()
    context.log.info(f"deleted: {', '.join(f'{number} {name}' for name, number in deleted.items())}")


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
