"""Sensors. Each reads the state, computes a plan in a pure function, and requests what the plan says."""

from collections.abc import Collection
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
from hostaway_pipeline.defs.lanes import limit_bulk
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
    limit_bulk(context.instance)
    return SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[
            accounts_partitions.build_add_request(change.add),
            accounts_partitions.build_delete_request(change.remove),
        ],
    )


@sensor(
    job=drain_webhooks,
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Keeps exactly one drainer run alive while the inbox has events to apply.",
)
def webhook_events_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> RunRequest | SkipReason:
    """Request a run without a run key, which would allow one run ever."""
    alive = context.instance.get_runs_count(RunsFilter(job_name=drain_webhooks.name, statuses=_UNFINISHED))
    with hostaway.services() as services:
        inbox = services.inbox.state()
    # Claimed events count too: without a live run, nothing processes them.
    events = inbox.claimable + inbox.claimed
    if events and not alive:
        return RunRequest(tags={"hostaway/request_id": inbox.oldest_request_id or "none"})
    return SkipReason(f"{events} events to apply, {alive} drainer runs.")


def _run_config(account: Account) -> dict[str, Any]:
    """Pass the account's requested mode to all four assets."""
    if account.next_mode is None:
        return {}
    return {"ops": {op_name(entity): {"config": {"mode": account.next_mode}} for entity in ENTITIES}}
