"""When the marts are built: every quarter of an hour if something moved, after a requested sync, and once a night."""

from collections.abc import Sequence

from dagster import (
    AssetSelection,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    JobSelector,
    RunRequest,
    RunsFilter,
    RunStatusSensorContext,
    ScheduleEvaluationContext,
    SkipReason,
    define_asset_job,
    run_status_sensor,
    schedule,
)

from hostaway_pipeline.defs.keys import MARTS
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.marts.frequent import frequent_selection
from hostaway_pipeline.marts.project import DbtProject
from hostaway_pipeline.marts.state import JOB, built_state, current_state

_WAITING = (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING)
_RUNNING = (DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)
# The default names of the first code location and of its repository.
_SYNCS = [
    JobSelector(location_name="hostaway", repository_name="__repository__", job_name=name)
    for name in ("requested", "sync_account")
]

build_marts = define_asset_job(
    JOB,
    selection=AssetSelection.all(),
    description="Builds the models for analysts with dbt, and runs their tests.",
    # A run that hangs must not hold up the schedule: Dagster ends it after max_runtime seconds.
    tags={"dagster/max_runtime": "1800"} | MARTS,
)


@schedule(
    job=build_marts,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Every 15 minutes: builds the models for analysts, unless nothing has moved since the last build.",
)
def frequent_build(context: ScheduleEvaluationContext, hostaway: HostawayResource) -> RunRequest | SkipReason:
    return request_build(context.instance, hostaway, unless=(*_WAITING, *_RUNNING))


@schedule(
    job=build_marts,
    cron_schedule="10 3 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Every night: builds everything, with the tests and the data quality that read whole tables.",
)
def nightly_build() -> RunRequest:
    return RunRequest()


@run_status_sensor(
    run_status=DagsterRunStatus.SUCCESS,
    monitored_jobs=_SYNCS,
    request_job=build_marts,
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="After a sync that somebody requested, such as an account's first: does not wait for the schedule.",
)
def build_after_sync(context: RunStatusSensorContext, hostaway: HostawayResource) -> RunRequest | SkipReason:
    """A build that still waits for its turn will see what this sync brought; one that runs may have looked before."""
    return request_build(context.instance, hostaway, unless=_WAITING)


def request_build(
    instance: DagsterInstance, hostaway: HostawayResource, *, unless: Sequence[DagsterRunStatus]
) -> RunRequest | SkipReason:
    """Request a build if something has moved since the last one, unless a build has one of these statuses.

    The first build is of everything; later ones leave out what is for the night.
    """
    if instance.get_runs_count(RunsFilter(job_name=JOB, statuses=list(unless))):
        return SkipReason("A build is on its way.")
    with hostaway.services() as services:
        built = built_state(instance)
        if current_state(services) == built:
            return SkipReason("Nothing has moved since the last build.")
        if built is None:
            return RunRequest()
        assets, checks = frequent_selection(DbtProject.of(services.settings.home))
    return RunRequest(asset_selection=assets, asset_check_keys=checks)
