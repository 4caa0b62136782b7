"""Sensors: a pure difference in a thin shell."""

from collections.abc import Collection
from dataclasses import dataclass

from dagster import DefaultSensorStatus, RunRequest, SensorEvaluationContext, SensorResult, SkipReason, sensor

from hostaway_pipeline.defs.jobs import sync_account
from hostaway_pipeline.defs.partitions import accounts_partitions
from hostaway_pipeline.defs.resources import HostawayResource


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
        RunRequest(run_key=f"{account.account_id}:{account.next_due_at}", partition_key=str(account.account_id))
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
