"""Sensors. Each reads the state, computes a plan in a pure function, and requests what the plan says."""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import (
    DefaultSensorStatus,
    RunRecord,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from hostaway_pipeline.defs.drainer import HANDOVER_SECONDS, LIFETIME_SECONDS, drain_webhooks
from hostaway_pipeline.defs.failing_plan import failing_plan
from hostaway_pipeline.defs.jobs import sync_account
from hostaway_pipeline.defs.keys import BULK, UNFINISHED
from hostaway_pipeline.defs.lanes import limit_bulk
from hostaway_pipeline.defs.partitions import accounts_partitions
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.schedules import request_sweeper
from hostaway_pipeline.defs.sweepers import REQUESTED, requested


@dataclass(frozen=True, slots=True)
class PartitionChange:
    add: list[str]
    remove: list[str]


def partition_change(accounts: Collection[str], partitions: Collection[str]) -> PartitionChange:
    """Return the partitions to add and to remove, so that there is one for each active account."""
    wanted, present = set(accounts), set(partitions)
    return PartitionChange(sorted(wanted - present), sorted(present - wanted))


@sensor(
    jobs=[requested, sync_account],
    minimum_interval_seconds=10,
    default_status=DefaultSensorStatus.RUNNING,
    description="Keeps one partition per active account; starts a sweeper run for requested syncs, such as a new "
    "account's first; and gives an account that keeps failing a run of its own, so that its partition turns red.",
)
def accounts_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> SensorResult | SkipReason:
    """An unreadable database must fail the tick: taken for an empty list, it would delete every partition."""
    with hostaway.services() as services:
        active = services.accounts.active()
        sweeper = request_sweeper(services, context.instance, REQUESTED)
    known = context.instance.get_dynamic_partitions(str(accounts_partitions.name))
    change = partition_change([str(account.account_id) for account in active], known)
    shown_at = {int(account_id): at for account_id, at in json.loads(context.cursor or "{}").items()}
    failing = failing_plan(active, shown_at, datetime.now(UTC), time.time())
    requests = [sweeper] if isinstance(sweeper, RunRequest) else []
    requests += [
        RunRequest(job_name=sync_account.name, partition_key=str(account_id), tags=BULK)
        for account_id in failing.to_show
        if str(account_id) in known
    ]
    reason = sweeper.skip_message if isinstance(sweeper, SkipReason) else None
    if not (change.add or change.remove or requests):
        context.update_cursor(json.dumps(failing.shown_at))
        return SkipReason(f"Each active account has its partition; {reason}. {failing.text}".strip())
    limit_bulk(context.instance)
    return SensorResult(
        run_requests=requests,
        cursor=json.dumps(failing.shown_at),
        dynamic_partitions_requests=[
            accounts_partitions.build_add_request(change.add),
            accounts_partitions.build_delete_request(change.remove),
        ],
    )


@sensor(
    job=drain_webhooks,
    minimum_interval_seconds=5,
    default_status=DefaultSensorStatus.RUNNING,
    description="Keeps a drainer run at work while the inbox has events to apply, and its successor ready at its end.",
)
def webhook_events_sensor(context: SensorEvaluationContext, hostaway: HostawayResource) -> RunRequest | SkipReason:
    """Request a run without a run key, which would allow one run ever."""
    alive = context.instance.get_run_records(RunsFilter(job_name=drain_webhooks.name, statuses=UNFINISHED))
    with hostaway.services() as services:
        inbox = services.inbox.state()
    # Claimed events count too: without a live run, nothing processes them.
    events = inbox.claimable + inbox.claimed
    if (events and not alive) or (len(alive) == 1 and _is_ending(alive[0])):
        return RunRequest(tags={"hostaway/request_id": inbox.oldest_request_id or "none"})
    return SkipReason(f"{events} events to apply, {len(alive)} drainer runs.")


def _is_ending(run: RunRecord) -> bool:
    """Whether a drainer, which events have kept at work until now, is near the end of its lifetime."""
    return run.start_time is not None and time.time() - run.start_time > LIFETIME_SECONDS - HANDOVER_SECONDS
