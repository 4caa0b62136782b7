"""The four assets. Each is one call of `sync.pull` for the partition's account; HTTP and SQL are below it."""

from typing import cast, get_args

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
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

from hostaway_pipeline.defs.metadata import DESCRIPTIONS, column_schema, run_metadata
from hostaway_pipeline.defs.partitions import accounts_partitions
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.vocabulary import Mode
from hostaway_pipeline.errors import DatabaseUnavailable, PipelineError, SyncInProgress, TransientApiError
from hostaway_pipeline.sync.pull.request import PullRequest
from hostaway_pipeline.sync.pull.run import pull

PREFIX = "hostaway"
GROUP = "hostaway"
# Messages are read per conversation; the other lists name each other, but none needs another to be read.
DEPENDENCIES = {"messages": ["conversations"]}
TRANSIENT = (TransientApiError, DatabaseUnavailable, SyncInProgress)
# Asked for by the asset: under a policy of the op's, Dagster would take an interrupt of the run for a failure to be
# tried again, and go on with the next asset.
RETRIES = RetryPolicy(max_retries=3, delay=10, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)


class SyncConfig(Config):
    """Run configuration of an asset."""

    mode: str = Field(
        "reconcile",
        description="full: the messages of every conversation; reconcile: of those that moved, plus a daily share; "
        "refresh: what changed at the head, without looking for deletions.",
        pattern=f"^({'|'.join(get_args(Mode))})$",
    )
    allow_mass_delete: bool = Field(
        False, description="Mark any number of rows as deleted, where HOSTAWAY_MAX_DELETE_SHARE would hold them back."
    )
    lock_wait_seconds: float = Field(600, description="How long to wait for another sync of the same account.")


def entity_key(entity: str) -> AssetKey:
    return AssetKey([PREFIX, entity])


def build_asset(entity: str) -> AssetsDefinition:
    @asset(
        key=entity_key(entity),
        deps=[entity_key(name) for name in DEPENDENCIES.get(entity, [])],
        partitions_def=accounts_partitions,
        group_name=GROUP,
        description=DESCRIPTIONS[entity],
        owners=["team:data-platform"],
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": column_schema(entity), "dagster/table_name": f"hostaway.{entity}"},
    )
    def entity_asset(
        context: AssetExecutionContext, config: SyncConfig, hostaway: HostawayResource
    ) -> MaterializeResult[None]:
        with hostaway.services() as services:
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


def failure(error: PipelineError, retries: int) -> Failure | RetryRequested:
    """Only a transient failure is tried again; the description is the one line that says what to do."""
    failed = Failure(description=str(error), allow_retries=False)
    if not isinstance(error, TRANSIENT) or retries >= RETRIES.max_retries:
        return failed
    again = RetryRequested(RETRIES.max_retries, RETRIES.calculate_delay(retries + 1))
    again.__cause__ = failed
    return again


entity_assets = [build_asset(entity) for entity in ENTITIES]
