"""Sweeper runs: each claims accounts that are due in its mode, syncs them, and ends after ten minutes at most.

One job per mode, all of the same op, so that people see and switch the modes apart. These are ops, because an asset
run has one partition; each run logs materializations for every account.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dagster import (
    Config,
    Failure,
    JobDefinition,
    MetadataValue,
    OpExecutionContext,
    Out,
    job,
    op,
)
from pydantic import Field

from hostaway_pipeline.defs.checks import log_evaluations
from hostaway_pipeline.defs.keys import BULK, BULK_POOL, MODE, PLACE
from hostaway_pipeline.defs.materializations import MaterializationLog, error_text
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.due_accounts import DueAccounts, Synced

# Requests are no mode of their own: `requested` syncs what was requested, in the mode that it was requested in.
REQUESTED = "requested"
# Ahead of backfills in Dagster's queue: a sweeper serves whoever is due, and there are only a few.
_FIRST = {"dagster/priority": "5"}
_LAST = {"dagster/priority": "-5"}
# Failed accounts that the op's output names.
_SHOWN = 100


class SweeperConfig(Config):
    """Run configuration of the sweeper jobs."""

    lifetime_seconds: float = Field(600, gt=0, description="Claim no account after this many seconds.")
    linger_seconds: float = Field(20, ge=0, description="End the run after this many seconds without a due account.")


@op(
    out=Out(dict),
    pool=BULK_POOL,
    description="Claims accounts that are due, the most urgent first, and syncs four at a time.",
)
def sync_due_accounts(context: OpExecutionContext, config: SweeperConfig, hostaway: HostawayResource) -> dict[str, int]:
    """Return how many syncs ended in each status."""
    tags = context.run.tags
    with hostaway.services() as services:
        log = _Log(context)
        due = DueAccounts(
            services,
            tags[MODE],
            context.run_id,
            lifetime=config.lifetime_seconds,
            linger=config.linger_seconds,
            on_pause=log.flush,
        )
        try:
            _free_place(services, tags)
            log.add_all(due)
            log_evaluations(context, services, sorted(log.materialized & set(ENTITIES)))
        except PipelineError as error:
            raise Failure(str(error), allow_retries=False) from None
    log.end()
    if due.is_away:
        raise Failure(f"Hostaway is away: the last syncs have all failed. {log.error}", allow_retries=False)
    return log.statuses


def _sweeper_job(
    mode: str, description: str, *, linger: float = 20, priority: dict[str, str] = _FIRST
) -> JobDefinition:
    config = {"ops": {"sync_due_accounts": {"config": {"linger_seconds": linger}}}}

    @job(name=mode, description=description, tags=BULK | priority | {MODE: mode}, config=config)
    def sweeper() -> None:
        sync_due_accounts()

    return sweeper


reconcile = _sweeper_job(
    "reconcile",
    "Proves that the copies of accounts are complete, and repairs them: reads all lists, the messages of conversations "
    "that changed, and of a daily share of the others.",
)
refresh = _sweeper_job(
    "refresh",
    "Reads the recent changes of accounts, such as the host's own replies, for which Hostaway sends no webhook. Finds "
    "no deletions.",
)
listings = _sweeper_job("listings", "Reads the listings of accounts, for which Hostaway sends no webhook.")
calendar = _sweeper_job("calendar", "Reads the calendars of accounts: one call per listing.")
trails = _sweeper_job(
    "trails",
    "Reads the audit trails of reservations for the time before they were copied: one call per reservation, once, with "
    "what the rate limit has to spare.",
    priority=_LAST,
)
requested = _sweeper_job(
    REQUESTED,
    "Syncs accounts whose sync was requested, such as the first one of a new account.",
    linger=2,  # the marts are built at its end
)


class _Log:
    """Logs each account's result: materializations under its partition, or its error."""

    def __init__(self, context: OpExecutionContext) -> None:
        self._context = context
        self._materializations = MaterializationLog(context)
        self.statuses: dict[str, int] = {}
        self.materialized: set[str] = set()
        self.error = ""
        self._failed: list[int] = []

    def add_all(self, ended: Iterable[Synced]) -> None:
        try:
            for synced in ended:
                self._add(synced)
        finally:
            self.flush()

    def flush(self) -> None:
        self._materializations.flush()

    def _add(self, synced: Synced) -> None:
        report = synced.report
        self.statuses[report.status] = self.statuses.get(report.status, 0) + 1
        if report.error is not None:
            self.error = error_text(report)
            self._failed.append(report.account_id)
            self._context.log.error(self.error)
            return
        # These report what has changed only: thousands of events a day would say that nothing has.
        is_brief = synced.claim.mode in ("refresh", "trails")
        entities = {name for name, n in report.entities.items() if not is_brief or n.changed or report.trails_left}
        self.materialized |= entities
        self._materializations.add(report, entities, mode=synced.claim.mode)

    def end(self) -> None:
        metadata: dict[str, Any] = {
            "accounts": sum(self.statuses.values()),
            "failed": len(self._failed),
            "failed_accounts": MetadataValue.json(sorted(set(self._failed))[:_SHOWN]),
        }
        self._context.add_output_metadata(metadata)


def _free_place(services: Services, tags: Mapping[str, str]) -> None:
    """End the place's reservation: by now Dagster lists the run, and no longer once it is over, however it ends."""
    if PLACE in tags:  # a run launched by hand has none
        services.cadences.free_place(int(tags[PLACE]))
