"""Many accounts in one run. An op, since a run of an asset has one partition; it reports on the assets all the same.

Each account gets its materializations under its own partition. One that fails is recorded, and its ordinary
one-partition run is asked for, so that its partition turns red with a readable error; the others go on.
"""

from dagster import AssetCheckEvaluation, AssetMaterialization, Config, MetadataValue, OpExecutionContext, Out, job, op
from pydantic import Field

from hostaway_pipeline.defs.assets import entity_key
from hostaway_pipeline.defs.checks import SPECS, check_result
from hostaway_pipeline.defs.drainer import LANE
from hostaway_pipeline.defs.metadata import run_metadata
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.sync.many import pull_many
from hostaway_pipeline.sync.pull import PullRequest, Report
from hostaway_pipeline.wiring import Services


class ReconcileConfig(Config):
    """Run configuration of `reconcile`."""

    accounts: list[int] = Field(default_factory=list, description="Account ids; none: all active accounts.")


@op(
    out=Out(dict),
    description="Complete sweeps of listings, reservations and conversations; messages of conversations that moved, "
    "and of a daily share of the others.",
)
def reconcile_accounts(
    context: OpExecutionContext, config: ReconcileConfig, hostaway: HostawayResource
) -> dict[str, str]:
    """Returns the status of each account, by its id."""
    statuses: dict[str, str] = {}
    with hostaway.services() as services:
        for report in pull_many(services, _requests(services, config, context.run_id)):
            statuses[str(report.account_id)] = report.status
            _log(context, services, report)
        for spec in SPECS:
            # Its annotation leaves out check evaluations, which it takes.
            context.log_event(_evaluation(services, spec.asset_key.path[-1], spec.name))  # type: ignore[arg-type]
    failed = sorted(account for account, status in statuses.items() if status == "failed")
    context.add_output_metadata(
        {"accounts": len(statuses), "failed": len(failed), "failed_accounts": MetadataValue.json(failed)}
    )
    return statuses


@job(description="Find and repair drift in many accounts at a few calls each; then check all.", tags={LANE: "bulk"})
def reconcile() -> None:
    reconcile_accounts()


def _requests(services: Services, config: ReconcileConfig, run_id: str) -> list[PullRequest]:
    accounts = config.accounts or [account.account_id for account in services.accounts.active()]
    settings = services.settings
    return [
        PullRequest(
            account_id,
            mode="reconcile",
            reread_share=settings.reread_share,
            max_delete_share=settings.max_delete_share,
            source="dagster",
            dagster_run_id=run_id,
            respect_pause=True,
        )
        for account_id in accounts
    ]


def _log(context: OpExecutionContext, services: Services, report: Report) -> None:
    if report.error is not None:
        context.log.error(f"account {report.account_id}: {report.error}")
        if report.api_calls:  # not for a paused account: it was not even tried
            services.accounts.ask_for_sync(report.account_id)
        return
    for entity in report.entities:
        metadata = run_metadata(report, entity)
        context.log_event(AssetMaterialization(entity_key(entity), partition=str(report.account_id), metadata=metadata))


def _evaluation(services: Services, entity: str, name: str) -> AssetCheckEvaluation:
    result = check_result(services, entity, name)
    return AssetCheckEvaluation(
        asset_key=entity_key(entity),
        check_name=name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
    )
