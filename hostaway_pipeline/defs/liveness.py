"""Ends runs whose process is gone: killed, or lost with its machine.

A code server fails the runs whose process ends while it watches. But when it is gone itself, or a Celery worker is, a
run would keep its slot for hours. So every run of ours, whatever started it, holds a lock from its first statement to
its last (HostawayResource).
"""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from hostaway_pipeline.defs.keys import BULK_POOL, LANE, PLACE
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.services import Services

# A run takes its lock shortly after its start, and ends shortly after it has released it.
_DEAD_SECONDS = 15.0
# Runs that still wait have no process. One that is being started has none yet: dagster.yaml limits how long that takes.
_RUNNING = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_GONE = "The process of this run is gone: it does not hold the run's lock."


@dataclass(frozen=True, slots=True)
class LivenessPlan:
    """Runs to end, and since when each other run without its lock has been seen so, in Unix seconds."""

    dead: tuple[str, ...]
    unlocked_since: dict[str, float]


def liveness_plan(
    running: Collection[str], alive: Collection[str], unlocked_since: Mapping[str, float], now: float
) -> LivenessPlan:
    """A run that is without its lock at two looks, fifteen seconds or more apart, is dead.

    `running`: first looked up, so that none of them can be too young. `alive`: those that hold their lock.
    `unlocked_since`: of the previous plan.
    """
    unlocked = {run_id: unlocked_since.get(run_id, now) for run_id in running if run_id not in alive}
    dead = tuple(run_id for run_id, since in unlocked.items() if now - since >= _DEAD_SECONDS)
    return LivenessPlan(dead, {run_id: since for run_id, since in unlocked.items() if run_id not in dead})


@sensor(
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="Fails runs whose process is gone, so that they free their slot and their work is done by another run.",
)
def liveness_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> SkipReason:
    """The cursor keeps the runs that were without their lock."""
    runs = {run.run_id: run for run in context.instance.get_runs(RunsFilter(statuses=_RUNNING)) if is_ours(run)}
    if not runs:
        context.update_cursor("{}")
        return SkipReason("No run is under way.")
    with hostaway.services() as services:
        alive = services.living_runs(runs)
        plan = liveness_plan(runs, alive, json.loads(context.cursor or "{}"), time.time())
        for run_id in plan.dead:
            end(context.instance, services, run_id)
    context.update_cursor(json.dumps(plan.unlocked_since))
    return SkipReason(
        f"{len(runs)} runs under way, {len(plan.unlocked_since)} without their lock, {len(plan.dead)} ended."
    )


def is_ours(run: DagsterRun) -> bool:
    """Whether this run takes a lock: by its tag, or by its pool until it has added the tag itself."""
    pools = run.run_op_concurrency.all_pools if run.run_op_concurrency else None
    return LANE in run.tags or BULK_POOL in (pools or ())


def end(instance: DagsterInstance, services: Services, run_id: str) -> None:
    """Report the run as failed, or as cancelled if that was requested, unless it has finished by now.

    Its accounts and its place are freed first: once it is reported, its place may belong to the next run.
    """
    run = instance.get_run_by_id(run_id)
    if run is None or run.status not in _RUNNING:
        return
    services.cadences.give_back([run_id])
    if PLACE in run.tags:
        services.cadences.free_place(int(run.tags[PLACE]))
    if run.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, _GONE)
    else:
        instance.report_run_failed(run, _GONE)
