"""Sensors. Each reads the state, computes a plan in a pure function, and requests what the plan says."""

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
from hostaway_pipeline.defs.keys import op_name
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
# A run takes its lock shortly after it has started, and ends shortly after it has released it. Only a run that is
# without its lock in two ticks at least this far apart has lost its process.
_ORPHAN_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class PartitionChange:
    add: list[str]
    remove: list[str]


def partition_change(accounts: Collection[str], partitions: Collection[str]) -> PartitionChange:
    """Return the partitions to add and to remove, so that there is one for each active account."""
    wanted, present = set(accounts), set(partitions)
    return PartitionChange(sorted(wanted - present), sorted(present - wanted))


@sensor(
    job=sync_account,
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="Keeps one partition per active account, and starts syncs that are due, such as a new account's first.",
)
def accounts_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> SensorResult | SkipReason:
    """An unreadable database must fail the tick: taken for an empty list, it would delete every partition."""
    with hostaway.services() as services:
        active = [str(account.account_id) for account in services.accounts.active()]
        due = services.accounts.due()
    change = partition_change(active, context.instance.get_dynamic_partitions("accounts"))
    requests = [
        # The due time is in the key: one run per requested sync, however many ticks pass before the run starts.
        RunRequest(
            run_key=f"{account.account_id}:{account.next_due_at}",
            partition_key=str(account.account_id),
            run_config=_run_config(account),
        )
        for account in due
    ]
    if not (change.add or change.remove or requests):
        return SkipReason("Each active account has its partition, and no sync is due.")
    return SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[
            accounts_partitions.build_add_request(change.add),
            accounts_partitions.build_delete_request(change.remove),
        ],
    )


@dataclass(frozen=True, slots=True)
class DrainerPlan:
    """Runs to mark as failed, whether a new run is needed, and since when each run has been without its lock."""

    orphans: tuple[str, ...]
    is_needed: bool
    unlocked_since: dict[str, float]


def drainer_plan(
    events: int, started: Collection[str], queued: int, alive: Collection[str], unlocked_since: Mapping[str, float]
) -> DrainerPlan:
    """Plan one live run while there are events. A started run whose process does not hold its lock is not alive.

    `unlocked_since`: of the previous plan, in Unix seconds by run id.
    """
    now = time.time()
    unlocked = {run_id: unlocked_since.get(run_id, now) for run_id in started if run_id not in alive}
    orphans = tuple(run_id for run_id, since in unlocked.items() if now - since >= _ORPHAN_SECONDS)
    live = queued + len(started) - len(orphans)
    return DrainerPlan(orphans, events > 0 and live == 0, {r: s for r, s in unlocked.items() if r not in orphans})


@sensor(
    job=drain_webhooks,
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Keeps exactly one drainer run alive while the inbox has events to apply.",
)
def webhook_events_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> RunRequest | SkipReason:
    """Request a run without a run key, which would allow one run ever. The cursor keeps the runs without their lock."""
    records = context.instance.get_run_records(RunsFilter(job_name=drain_webhooks.name, statuses=_UNFINISHED))
    started = {record.dagster_run.run_id: record.dagster_run for record in records if record.start_time}
    with hostaway.services() as services:
        inbox, alive = services.inbox.state(), services.living_runs(started)
    # Claimed events count too: without a live run, nothing processes them.
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
    """Pass the account's requested mode to all four assets."""
    if account.next_mode is None:
        return {}
    return {"ops": {op_name(entity): {"config": {"mode": account.next_mode}} for entity in ENTITIES}}
