"""Sensors: a pure difference in a thin shell."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from dagster import (
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from hostaway_pipeline.defs.drainer import drain_webhooks
from hostaway_pipeline.defs.jobs import sync_account
from hostaway_pipeline.defs.partitions import accounts_partitions
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.store.accounts import Account

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
# A run has its lock well before that; one that has none by then has no process either.
_ORPHAN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PartitionChange:
    add: list[str]
    remove: list[str]


def partition_change(accounts: Collection[str], partitions: Collection[str]) -> PartitionChange:
    """What makes the partitions equal to the active accounts."""
    wanted, present = set(accounts), set(partitions)
    return PartitionChange(sorted(wanted - present), sorted(present - wanted))


@sensor(
    job=sync_account,
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="Keeps the partitions equal to the active accounts and starts a new account's first sync.",
)
def accounts_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> SensorResult | SkipReason:
    """A database that cannot be read fails the tick: an empty list would delete every partition."""
    with hostaway.services() as services:
        active = [str(account.account_id) for account in services.accounts.active()]
        due = services.accounts.due()
    change = partition_change(active, context.instance.get_dynamic_partitions("accounts"))
    requests = [
        # The instant in the key: one start per request to sync, however many ticks pass until the run has begun.
        RunRequest(
            run_key=f"{account.account_id}:{account.next_due_at}",
            partition_key=str(account.account_id),
            run_config=_run_config(account),
        )
        for account in due
    ]
    if not (change.add or change.remove or requests):
        return SkipReason("Partitions equal the active accounts, and no first sync is due.")
    return SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[
            accounts_partitions.build_add_request(change.add),
            accounts_partitions.build_delete_request(change.remove),
        ],
    )


@dataclass(frozen=True, slots=True)
class DrainerRun:
    """An unfinished run; `started_ago` in seconds, None when it has not begun."""

    run_id: str
    started_ago: float | None


@dataclass(frozen=True, slots=True)
class DrainerPlan:
    """Runs to be declared dead, and whether a new one is needed."""

    orphans: tuple[str, ...]
    is_needed: bool


def drainer_plan(claimable: int, runs: Sequence[DrainerRun], *, is_alive: bool) -> DrainerPlan:
    """One run while there is work. One that has begun, but whose process does not hold the drainer's lock, is none."""
    orphans = tuple(
        run.run_id for run in runs if not is_alive and run.started_ago is not None and run.started_ago > _ORPHAN_SECONDS
    )
    return DrainerPlan(orphans, is_needed=claimable > 0 and len(runs) == len(orphans))


@sensor(
    job=drain_webhooks,
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Peeks into the inbox and keeps exactly one drainer run alive while there are events to apply.",
)
def webhook_events_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> RunRequest | SkipReason:
    """No run key: it would silence the sensor for ever. No cursor: ids become visible out of their order."""
    with hostaway.services() as services:
        inbox, is_alive = services.inbox.state(), services.is_drainer_alive()
    records = context.instance.get_run_records(RunsFilter(job_name=drain_webhooks.name, statuses=_UNFINISHED))
    runs = {record.dagster_run.run_id: record for record in records}
    now = time.time()
    plan = drainer_plan(
        inbox.claimable,
        [DrainerRun(run_id, now - r.start_time if r.start_time else None) for run_id, r in runs.items()],
        is_alive=is_alive,
    )
    for run_id in plan.orphans:
        _declare_dead(context, runs[run_id].dagster_run)
    if plan.is_needed:
        return RunRequest(tags={"hostaway/request_id": inbox.oldest_request_id or "none"})
    return SkipReason(f"{inbox.claimable} events to apply, {len(runs) - len(plan.orphans)} drainer runs alive.")


def _declare_dead(context: SensorEvaluationContext, run: DagsterRun) -> None:
    context.instance.report_run_failed(run, "The process of this drainer run is gone: it does not hold its lock.")


def _run_config(account: Account) -> dict[str, Any]:
    """The mode that was asked for, to all four assets."""
    if account.next_mode is None:
        return {}
    return {"ops": {f"hostaway__{entity}": {"config": {"mode": account.next_mode}} for entity in ENTITIES}}
