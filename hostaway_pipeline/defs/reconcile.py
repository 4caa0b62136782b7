"""Many accounts in one run: all of it at night, the newest changes all day.

Ops, since a run of an asset has one partition; they report on the assets all the same.

Each account gets its materializations under its own partition. One that fails is recorded, and its ordinary
one-partition run is asked for, so that its partition turns red with a readable error; the others go on.
"""

from dagster import AssetMaterialization, Config, MetadataValue, OpExecutionContext, Out, job, op
from pydantic import Field

from hostaway_pipeline.defs.assets import entity_key
from hostaway_pipeline.defs.checks import log_evaluations
from hostaway_pipeline.defs.drainer import LANE
from hostaway_pipeline.defs.metadata import run_metadata
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.vocabulary import Mode
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.run import pull_many


class AccountsConfig(Config):
    """Run configuration of `reconcile` and `refresh`."""

    accounts: list[int] = Field(default_factory=list, description="Account ids; none: all active accounts.")


@op(
    out=Out(dict),
    description="Complete sweeps of listings, reservations and conversations; messages of conversations that moved, "
    "and of a daily share of the others.",
)
def reconcile_accounts(
    context: OpExecutionContext, config: AccountsConfig, hostaway: HostawayResource
) -> dict[str, str]:
    """Returns the status of each account, by its id."""
    with hostaway.services() as services:
        statuses, _ = _sync(context, services, config.accounts, "reconcile")
        log_evaluations(context, services, ENTITIES)
    return statuses


@op(
    out=Out(dict),
    description="The head of the reservations, the conversations and what moved in them: finds the host's own replies, "
    "which no webhook tells of.",
)
def refresh_accounts(context: OpExecutionContext, config: AccountsConfig, hostaway: HostawayResource) -> dict[str, str]:
    """Returns the status of each account, by its id. What did not change leaves no event."""
    with hostaway.services() as services:
        statuses, changed = _sync(context, services, config.accounts, "refresh")
        log_evaluations(context, services, changed)
    return statuses


@job(description="Find and repair drift in many accounts at a few calls each; then check all.", tags={LANE: "bulk"})
def reconcile() -> None:
    reconcile_accounts()


@job(
    description="The newest changes of many accounts, at about ten calls each. Sees no deletions.", tags={LANE: "bulk"}
)
def refresh() -> None:
    refresh_accounts()


def _sync(
    context: OpExecutionContext, services: Services, accounts: list[int], mode: Mode
) -> tuple[dict[str, str], set[str]]:
    """The status of each account, and the entities that were materialized."""
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
    """Returns the entities that were materialized."""
    if report.error is not None:
        context.log.error(f"account {report.account_id}: {report.error}")
        if report.api_calls:  # not for a paused account: it was not even tried
            services.accounts.ask_for_sync(report.account_id)
        return set()
    shown = {name for name, counts in report.entities.items() if mode != "refresh" or counts.changed}
    for entity in shown:
        metadata = run_metadata(report, entity)
        context.log_event(AssetMaterialization(entity_key(entity), partition=str(report.account_id), metadata=metadata))
    return shown
