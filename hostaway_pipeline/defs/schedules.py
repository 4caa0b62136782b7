"""Schedules: when what is asked for, never one per account."""

from collections.abc import Iterator

from dagster import DefaultScheduleStatus, RunConfig, RunRequest, ScheduleEvaluationContext, schedule

from hostaway_pipeline.defs.reconcile import ReconcileConfig, reconcile
from hostaway_pipeline.defs.resources import HostawayResource

ACCOUNTS_PER_RUN = 50


@schedule(
    job=reconcile,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Every night: prove that each account's copy is complete, and repair what is not.",
)
def nightly_reconcile(context: ScheduleEvaluationContext, hostaway: HostawayResource) -> Iterator[RunRequest]:
    with hostaway.services() as services:
        accounts = [account.account_id for account in services.accounts.active()]
    night = f"{context.scheduled_execution_time:%Y-%m-%d}"
    for start in range(0, len(accounts), ACCOUNTS_PER_RUN):
        chunk = accounts[start : start + ACCOUNTS_PER_RUN]
        config = RunConfig(ops={"reconcile_accounts": ReconcileConfig(accounts=chunk)})
        yield RunRequest(run_key=f"{night}:{start // ACCOUNTS_PER_RUN}", run_config=config)
