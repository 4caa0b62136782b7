"""Jobs that sync many accounts in one run: `reconcile` every night, `refresh` all day.

These are ops, because an asset run has one partition; each op logs materializations for every account.

A failed account does not stop the others. Its own one-partition run is requested, so that its partition turns red
with a readable error.
"""

from dagster import AssetMaterialization, Config, MetadataValue, OpExecutionContext, Out, job, op
from pydantic import Field

from hostaway_pipeline.defs.checks import log_evaluations
from hostaway_pipeline.defs.keys import BULK, BULK_POOL, entity_key
from hostaway_pipeline.defs.metadata import run_metadata
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.vocabulary import Mode
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.run import pull_many


class AccountsConfig(Config):
    """Run configuration of `reconcile` and `refresh`."""

    accounts: list[int] = Field(default_factory=list, description="Account ids. Empty: all active accounts.")


@op(
    out=Out(dict),
    pool=BULK_POOL,
    description="Sweeps listings, reservations and conversations completely; reads the messages of conversations that "
    "changed, and of a daily share of the others.",
)
def reconcile_accounts(
    context: OpExecutionContext, config: AccountsConfig, hostaway: HostawayResource
) -> dict[str, str]:
    """Return the status of each account, by id."""
    with hostaway.services() as services:
        statuses, _ = _sync(context, services, config.accounts, "reconcile")
        log_evaluations(context, services, ENTITIES)
    return statuses


@op(
    out=Out(dict),
    pool=BULK_POOL,
    description="Reads the latest changes of reservations, the conversations, and the messages of those that changed. "
    "Finds the host's own replies, for which Hostaway sends no webhook.",
)
def refresh_accounts(context: OpExecutionContext, config: AccountsConfig, hostaway: HostawayResource) -> dict[str, str]:
    """Return the status of each account, by id. An unchanged asset gets no materialization."""
    with hostaway.services() as services:
        statuses, changed = _sync(context, services, config.accounts, "refresh")
        log_evaluations(context, services, changed)
    return statuses


@job(description="Finds and repairs drift in many accounts with a few calls each; then runs all checks.", tags=BULK)
def reconcile() -> None:
    reconcile_accounts()


@job(description="Reads the recent changes of many accounts with about ten calls each. Finds no deletions.", tags=BULK)
def refresh() -> None:
    refresh_accounts()


def _sync(
    context: OpExecutionContext, services: Services, accounts: list[int], mode: Mode
) -> tuple[dict[str, str], set[str]]:
    """Sync the accounts. Return the status of each by id, and the materialized entities."""
    statuses: dict[str, str] = {}
    materialized: set[str] = set()
    for report in pull_many(services, _requests(services, accounts, mode, context.run_id)):
        statuses[str(report.account_id)] = report.status
        materialized |= _log(context, services, report, mode)
    failed = sorted(account for account, status in statuses.items() if status == "failed")
    context.add_output_metadata(
        {"accounts": len(statuses), "failed": len(failed), "failed_accounts": MetadataValue.json(failed)}
    )
    return statuses, materialized


def _requests(services: Services, accounts: list[int], mode: Mode, run_id: str) -> list[PullRequest]:
    accounts = accounts or [account.account_id for account in services.accounts.active()]
    return [
        PullRequest(
            account_id,
            mode=mode,
            source="dagster",
            dagster_run_id=run_id,
            respect_pause=True,
        )
        for account_id in accounts
    ]


def _log(context: OpExecutionContext, services: Services, report: Report, mode: Mode) -> set[str]:
    """Log the report's materializations, or its error. Return the materialized entities."""
    if report.error is not None:
        context.log.error(f"account {report.account_id}: {report.error}")
        if report.api_calls:  # none: the account is paused, and was not tried
            services.accounts.ask_for_sync(report.account_id)
        return set()
    materialized = {name for name, counts in report.entities.items() if mode != "refresh" or counts.changed}
    for entity in materialized:
        metadata = run_metadata(report, entity)
        context.log_event(AssetMaterialization(entity_key(entity), partition=str(report.account_id), metadata=metadata))
    return materialized
