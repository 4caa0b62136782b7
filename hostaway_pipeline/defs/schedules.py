"""When each job runs. No schedule is per account: each requests runs of up to ACCOUNTS_PER_RUN accounts."""

from collections.abc import Iterator, Sequence

from dagster import DefaultScheduleStatus, RunConfig, RunRequest, ScheduleEvaluationContext, schedule

from hostaway_pipeline.defs.reconcile import AccountsConfig, reconcile, refresh
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.store.accounts.accounts import Account

ACCOUNTS_PER_RUN = 50


@schedule(
    job=reconcile,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Every night: proves that each account's copy is complete, and repairs what is missing or outdated.",
)
def nightly_reconcile(context: ScheduleEvaluationContext, hostaway: HostawayResource) -> Iterator[RunRequest]:
    with hostaway.services() as services:
        accounts = services.accounts.active()
    yield from _chunks(accounts, "reconcile_accounts", f"{context.scheduled_execution_time:%Y-%m-%d}")


@schedule(
    job=refresh,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Every 15 minutes: reads changes without a webhook, such as the host's own replies.",
)
def frequent_refresh(context: ScheduleEvaluationContext, hostaway: HostawayResource) -> Iterator[RunRequest]:
    """Request only accounts whose first sync is complete: for any other, a refresh would read everything."""
    with hostaway.services() as services:
        accounts = [account for account in services.accounts.active() if account.last_sync_at is not None]
    yield from _chunks(accounts, "refresh_accounts", f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}")


def _chunks(accounts: Sequence[Account], op: str, tick: str) -> Iterator[RunRequest]:
    ids = [account.account_id for account in accounts]
    for start in range(0, len(ids), ACCOUNTS_PER_RUN):
        config = RunConfig(ops={op: AccountsConfig(accounts=ids[start : start + ACCOUNTS_PER_RUN])})
        yield RunRequest(run_key=f"{tick}:{start // ACCOUNTS_PER_RUN}", run_config=config)
