"""One schedule per mode: each looks every minute whether accounts are due, and keeps sweeper runs at work on them.

No schedule is per account, and none names accounts: the runs claim them. So a tick that is missed loses nothing, and
after an outage each account is synced once.
"""

import time
from collections.abc import Iterator

from dagster import (
    DagsterInstance,
    DefaultScheduleStatus,
    JobDefinition,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from hostaway_pipeline.defs.keys import MODE, PLACE, UNFINISHED
from hostaway_pipeline.defs.lanes import limit_bulk
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.sweeper_plan import Sweeper, sweeper_plan
from hostaway_pipeline.defs.sweepers import calendar, listings, reconcile, refresh, trails
from hostaway_pipeline.services import Services

_MOST_PLACES = 64
_PLACE_OF_TRAILS = 0


def request_sweeper(services: Services, instance: DagsterInstance, mode: str) -> RunRequest | SkipReason:
    """Request one more sweeper run for this mode if accounts wait for it and a place is free; say why, or why not."""
    services.cadences.plan_missing()
    # Reading trails takes days where there are many: it has a place of its own, so that it keeps no sync waiting.
    is_apart = mode == "trails"
    plan = sweeper_plan(
        mode,
        services.cadences.backlog(),
        [sweeper for sweeper in unfinished_sweepers(instance) if (sweeper.mode == "trails") == is_apart],
        places=1 if is_apart else services.settings.sweepers,
        period=services.cadences.plan.period(mode),
        minute=int(time.time() // 60),
        paused_until=services.slots.ip_state().paused_until,
    )
    places = [_PLACE_OF_TRAILS] if is_apart else plan.free_places
    place = services.cadences.reserve_place(places) if plan.is_needed else None
    if place is None:
        return SkipReason(
            plan.text if not plan.is_needed else f"{plan.text}; another schedule has just taken the place"
        )
    limit_bulk(instance)
    return RunRequest(job_name=mode, tags={MODE: mode, PLACE: str(place), "hostaway/due": plan.text})


def unfinished_sweepers(instance: DagsterInstance) -> list[Sweeper]:
    places = [str(place) for place in range(_PLACE_OF_TRAILS, _MOST_PLACES + 1)]
    records = instance.get_run_records(RunsFilter(tags={PLACE: places}, statuses=UNFINISHED))
    tags = [record.dagster_run.tags for record in records]
    return [Sweeper(int(one[PLACE]), one[MODE]) for one in tags]


def _schedule_of(job: JobDefinition) -> ScheduleDefinition:
    @schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule="* * * * *",
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Looks every minute for accounts that are due. {job.description}",
    )
    def evaluate(context: ScheduleEvaluationContext, hostaway: HostawayResource) -> Iterator[RunRequest | SkipReason]:
        with hostaway.services() as services:
            yield request_sweeper(services, context.instance, job.name)

    return evaluate


reconcile_schedule = _schedule_of(reconcile)
refresh_schedule = _schedule_of(refresh)
listings_schedule = _schedule_of(listings)
calendar_schedule = _schedule_of(calendar)
trails_schedule = _schedule_of(trails)


def build_schedules(*, has_calendar: bool, has_trails: bool) -> list[ScheduleDefinition]:
    """One per regular mode; those of the calendar and of the audit trails only if they are wanted."""
    wanted = [(calendar_schedule, has_calendar), (trails_schedule, has_trails)]
    return [reconcile_schedule, refresh_schedule, listings_schedule, *(one for one, is_wanted in wanted if is_wanted)]
