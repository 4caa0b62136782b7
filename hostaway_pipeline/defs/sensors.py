"""Sensors: a pure difference in a thin shell."""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dagster import (
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
from hostaway_pipeline.store.accounts.accounts import Account

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
# A run takes its lock after it has started, and ends shortly after it has given it up: only one that is found without
# it at two looks, so far apart, has no process any more.
_ORPHAN_SECONDS = 15.0


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
class DrainerPlan:
    """Runs to be declared dead, whether a new one is needed, and since when runs were seen without their lock."""

    orphans: tuple[str, ...]
    is_needed: bool
    unlocked_since: dict[str, float]


def drainer_plan(
    events: int, started: Collection[str], queued: int, alive: Collection[str], unlocked_since: Mapping[str, float]
) -> DrainerPlan:
    """One run while there are events. One that has started, but whose process does not hold its lock, is none.

    `unlocked_since`: what the plan before this one said, in Unix seconds.
    """
    now = time.time()
    unlocked = {run_id: unlocked_since.get(run_id, now) for run_id in started if run_id not in alive}
    orphans = tuple(run_id for run_id, since in unlocked.items() if now - since >= _ORPHAN_SECONDS)
    living = queued + len(started) - len(orphans)
    return DrainerPlan(orphans, events > 0 and living == 0, {r: s for r, s in unlocked.items() if r not in orphans})


@sensor(
    job=drain_webhooks,
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Peeks into the inbox and keeps exactly one drainer run alive while there are events to apply.",
)
def webhook_events_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> RunRequest | SkipReason:
    """No run key: it would silence the sensor for ever. The cursor tells which runs were seen without their lock."""
    records = context.instance.get_run_records(RunsFilter(job_name=drain_webhooks.name, statuses=_UNFINISHED))
    started = {record.dagster_run.run_id: record.dagster_run for record in records if record.start_time}
    with hostaway.services() as services:
        inbox, alive = services.inbox.state(), services.living_runs(started)
    # What is claimed counts, too: without a living run nobody works on it.
    events = inbox.claimable + inbox.claimed
    unlocked = json.loads(context.cursor) if context.cursor else {}
    plan = drainer_plan(events, started.keys(), len(records) - len(started), alive, unlocked)
    context.update_cursor(json.dumps(plan.unlocked_since))
    for run_id in plan.orphans:
        context.instance.report_run_failed(
            started[run_id], "The process of this drainer run is gone: it does not hold its lock."
        )
    if plan.is_needed:
        return RunRequest(tags={"hostaway/request_id": inbox.oldest_request_id or "none"})
    return SkipReason(f"{events} events to apply, {len(records) - len(plan.orphans)} drainer runs alive.")


def _run_config(account: Account) -> dict[str, Any]:
    """The mode that was asked for, to all four assets."""
    if account.next_mode is None:
        return {}
    return {"ops": {f"hostaway__{entity}": {"config": {"mode": account.next_mode}} for entity in ENTITIES}}
