"""The assets: one step syncs the selected ones, for the account of each partition. No HTTP and no SQL here.

A backfill has a run for many accounts: a process for each would cost ten times what the sync does.
"""

from collections.abc import Iterator, Sequence
from typing import cast, get_args

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Backoff,
    Config,
    Failure,
    Jitter,
    MaterializeResult,
    RetryPolicy,
    RetryRequested,
    multi_asset,
)
from pydantic import Field

from hostaway_pipeline.defs.checks import log_evaluations
from hostaway_pipeline.defs.keys import ACCOUNT, BULK_POOL, GROUP, entity_key
from hostaway_pipeline.defs.materializations import MaterializationLog, error_text
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
from hostaway_pipeline.sync.pull.run import pull, pull_many

# Messages are read per conversation, days per listing. The other lists refer to each other, but each can be read alone.
DEPENDENCIES = {"messages": ["conversations"], CALENDAR: ["listings"], TRAILS: ["reservations"]}
TRANSIENT = (TransientApiError, DatabaseUnavailable, SyncInProgress)
# The asset requests its retries itself: with a retry policy on the op, Dagster retries an interrupted run as if it had
# failed, and continues with the next asset.
RETRIES = RetryPolicy(max_retries=3, delay=10, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)
# Accounts of one run of a backfill. What fails or is cancelled concerns one run.
ACCOUNTS_PER_RUN = 50


class SyncConfig(Config):
    """Run configuration of the assets."""

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


def _spec(entity: str) -> AssetSpec:
    return AssetSpec(
        entity_key(entity),
        deps=[entity_key(name) for name in DEPENDENCIES.get(entity, [])],
        partitions_def=accounts_partitions,
        group_name=GROUP,
        description=DESCRIPTIONS[entity],
        owners=["team:data-platform"],
        kinds={"python", "postgres"},
        metadata={"dagster/column_schema": column_schema(entity), "dagster/table_name": table_of(entity)},
    )


def _build_entities(entities: Sequence[str]) -> AssetsDefinition:
    @multi_asset(
        name="sync_entities",
        # A run of many accounts logs what it has materialized by itself.
        specs=[_spec(entity).replace_attributes(skippable=True) for entity in entities],
        can_subset=True,
        pool=BULK_POOL,
        backfill_policy=BackfillPolicy.multi_run(ACCOUNTS_PER_RUN),
        description="Syncs the selected entities of one account, or of each account of a backfill's run.",
    )
    def sync_entities(
        context: AssetExecutionContext, config: SyncConfig, hostaway: HostawayResource
    ) -> Iterator[MaterializeResult[None]]:
        selected = {key.path[-1] for key in context.selected_asset_keys}
        chosen = tuple(entity for entity in entities if entity in selected)
        requests = [_request(int(key), chosen, config, context.run.run_id) for key in context.partition_keys]
        with hostaway.services() as services:
            if len(requests) == 1:
                yield from _sync_one(context, services, requests[0])
            else:
                _sync_many(context, services, requests)

    return sync_entities


def build_assets(*, has_calendar: bool, has_trails: bool) -> list[AssetsDefinition | AssetSpec]:
    """The assets of the four entities, and those of the calendar and of the audit trails if they are wanted."""
    entities = [*ENTITIES, *([CALENDAR] if has_calendar else [])]
    # Nobody runs that of the trails: the sweeper job of that name logs its materializations.
    return [_build_entities(entities), *([_spec(TRAILS)] if has_trails else [])]


def _request(account_id: int, entities: tuple[str, ...], config: SyncConfig, run_id: str) -> PullRequest:
    return PullRequest(
        account_id=account_id,
        entities=entities,
        mode=cast(Mode, config.mode),
        allow_mass_delete=config.allow_mass_delete,
        source="dagster",
        dagster_run_id=run_id,
        wait_seconds=config.lock_wait_seconds,
    )


def _sync_one(
    context: AssetExecutionContext, services: Services, request: PullRequest
) -> Iterator[MaterializeResult[None]]:
    """A failure fails the run, or has it try again."""
    _tag_run(context, services, request.account_id)
    try:
        report = pull(services, request)
    except PipelineError as error:
        raise failure(error, context.retry_number) from None
    if report.error is not None:
        raise failure(report.error, context.retry_number)
    for entity in request.entities:
        yield MaterializeResult(asset_key=entity_key(entity), metadata=run_metadata(report, entity))


def _sync_many(context: AssetExecutionContext, services: Services, requests: Sequence[PullRequest]) -> None:
    """Each account gets materializations of its own. If accounts fail, the run fails at its end: Dagster then shows as
    failed what it has not materialized.
    """
    failed, log = dict[int, str](), MaterializationLog(context.op_execution_context)
    try:
        for report in pull_many(services, requests):
            if report.error is None:
                log.add(report, requests[0].entities, mode=requests[0].mode)
            else:
                failed[report.account_id] = error_text(report)
                context.log.error(failed[report.account_id])
    finally:
        log.flush()
    entities = [entity for entity in requests[0].entities if entity in ENTITIES]
    log_evaluations(context.op_execution_context, services, entities)
    if failed:
        first = failed[min(failed)]
        raise Failure(f"{len(failed)} of {len(requests)} accounts failed. {first}", allow_retries=False)


def _tag_run(context: AssetExecutionContext, services: Services, account_id: int) -> None:
    """Give the run the name of its account as a tag, because the partition is only its id."""
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
