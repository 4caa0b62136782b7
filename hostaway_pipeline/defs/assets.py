"""The assets. Each calls `sync.pull` once for the account of its partition; no HTTP and no SQL here."""

from typing import cast, get_args

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Backoff,
    Config,
    Failure,
    Jitter,
    MaterializeResult,
    RetryPolicy,
    RetryRequested,
    asset,
)
from pydantic import Field

from hostaway_pipeline.defs.keys import ACCOUNT, BULK_POOL, GROUP, entity_key
from hostaway_pipeline.defs.metadata import DESCRIPTIONS, column_schema, run_metadata, table_of
from hostaway_pipeline.defs.partitions import accounts_partitions
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.calendar import CALENDAR
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.trail_entries import TRAILS
from hostaway_pipeline.domain.vocabulary import Mode
from hostaway_pipeline.errors import DatabaseUnavailable, PipelineError, SyncInProgress, TransientApiError
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.request import PullRequest
from hostaway_pipeline.sync.pull.run import pull

# Messages are read per conversation, days per listing. The other lists refer to each other, but each can be read alone.
DEPENDENCIES = {"messages": ["conversations"], CALENDAR: ["listings"]}
TRANSIENT = (TransientApiError, DatabaseUnavailable, SyncInProgress)
# The asset requests its retries itself: with a retry policy on the op, Dagster retries an interrupted run as if it had
# failed, and continues with the next asset.
RETRIES = RetryPolicy(max_retries=3, delay=10, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)


class SyncConfig(Config):
    """Run configuration of an asset."""

    mode: str = Field(
        "reconcile",
        description="full: all lists and the messages of every conversation. reconcile: all lists, and the messages of "
        "conversations that changed and of a daily share of the others. refresh: recent changes only, no deletions.",
        pattern=f"^({'|'.join(get_args(Mode))})$",
    )
    allow_mass_delete: bool = Field(
        False, description="Mark any number of missing rows as deleted, even beyond HOSTAWAY_MAX_DELETE_SHARE."
    )
    lock_wait_seconds: float = Field(600, description="Seconds to wait for another sync of the same account.")


def build_asset(entity: str) -> AssetsDefinition:
    @asset(
        key=entity_key(entity),
        deps=[entity_key(name) for name in DEPENDENCIES.get(entity, [])],
        partitions_def=accounts_partitions,
        group_name=GROUP,
        pool=BULK_POOL,
        description=DESCRIPTIONS[entity],
        owners=["team:data-platform"],
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": column_schema(entity), "dagster/table_name": table_of(entity)},
    )
    def entity_asset(
        context: AssetExecutionContext, config: SyncConfig, hostaway: HostawayResource
    ) -> MaterializeResult[None]:
        with hostaway.services() as services:
            _tag_run(context, services)
            request = PullRequest(
                account_id=int(context.partition_key),
                entities=(entity,),
                mode=cast(Mode, config.mode),
                allow_mass_delete=config.allow_mass_delete,
                source="dagster",
                dagster_run_id=context.run.run_id,
                wait_seconds=config.lock_wait_seconds,
            )
            error: PipelineError | None = None
            try:
                report = pull(services, request)
                error = report.error
            except PipelineError as raised:
                error = raised
        if error is not None:
            raise failure(error, context.retry_number)
        return MaterializeResult(metadata=run_metadata(report, entity))

    return entity_asset


def build_assets(*, has_calendar: bool, has_trails: bool) -> list[AssetsDefinition | AssetSpec]:
    """The assets of the four entities, and those of the calendar and of the audit trails if they are wanted."""
    calendar = [build_asset(CALENDAR)] if has_calendar else []
    return [*entity_assets, *calendar, *([trails_asset] if has_trails else [])]


def _tag_run(context: AssetExecutionContext, services: Services) -> None:
    """Give the run the name of its account as a tag, because the partition is only its id."""
    account_id = int(context.partition_key)
    name = services.accounts.names([account_id]).get(account_id)
    if name and ACCOUNT not in context.run.tags:
        context.instance.add_run_tags(context.run.run_id, {ACCOUNT: name})


def failure(error: PipelineError, retries: int) -> Failure | RetryRequested:
    """Request a retry after a transient error, up to the maximum; otherwise fail, described by the error's text."""
    failed = Failure(description=str(error), allow_retries=False)
    if not isinstance(error, TRANSIENT) or retries >= RETRIES.max_retries:
        return failed
    retry = RetryRequested(RETRIES.max_retries, RETRIES.calculate_delay(retries + 1))
    retry.__cause__ = failed
    return retry


entity_assets = [build_asset(entity) for entity in ENTITIES]
# Nobody runs this one: the sweeper job of that name logs its materializations.
trails_asset = AssetSpec(
    entity_key(TRAILS),
    deps=[entity_key("reservations")],
    partitions_def=accounts_partitions,
    group_name=GROUP,
    description=DESCRIPTIONS[TRAILS],
    owners=["team:data-platform"],
    kinds={"python", "postgres"},
    metadata={"dagster/column_schema": column_schema(TRAILS), "dagster/table_name": table_of(TRAILS)},
)
