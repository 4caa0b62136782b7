"""The drainer job: one run at a time applies webhook events until none has come for a while. sensors.py starts it.

One run per batch would cost four seconds and a row in the run list for each batch. While events keep coming, each run
waits, ready to work, for the end of the one before it. The run logs what it applied as materializations of each
account's own partition.
"""

import time
from typing import Any

from dagster import AssetMaterialization, Config, Failure, MetadataValue, OpExecutionContext, job, op
from pydantic import Field

from hostaway_pipeline.defs.checks import log_evaluations
from hostaway_pipeline.defs.keys import WEBHOOKS, entity_key
from hostaway_pipeline.defs.metadata import account_metadata
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.domain.account_names import account_label
from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.apply import Applied
from hostaway_pipeline.sync.push.drain import drain

# Ids that a materialization lists; the inbox has all of them.
_SHOWN = 200
# The checks read all accounts: a compromise between fresh results and load on the database.
_CHECK_SECONDS = 120.0
LIFETIME_SECONDS = 300.0
# How long before a drainer's end its successor is requested, and how long that one waits: a start takes three seconds,
# or fifteen on a machine that is busy.
HANDOVER_SECONDS = 30.0
_WAIT_SECONDS = 60.0


class DrainConfig(Config):
    """Run configuration of `drain_webhooks`."""

    linger_seconds: float = Field(30, ge=0, description="End the run after this many seconds without an event.")
    lifetime_seconds: float = Field(
        LIFETIME_SECONDS, gt=0, description="End the run after this many seconds; the next continues."
    )


@op(
    description="Applies webhook events to the tables. Where an event is ambiguous or incomplete, reads its object "
    "again from Hostaway."
)
def drain_inbox(context: OpExecutionContext, config: DrainConfig, hostaway: HostawayResource) -> None:
    with hostaway.services() as services:
        log = MaterializationLog(context, services)
        try:
            drained = drain(
                services, log, linger=config.linger_seconds, lifetime=config.lifetime_seconds, wait=_WAIT_SECONDS
            )
            log.evaluate_checks()
        except PipelineError as error:
            raise Failure(str(error), allow_retries=False) from None
        if drained.is_alone:
            context.log.info(f"{drained.events} events in {drained.batches} batches")
        else:
            context.log.info("another drainer is running")


@job(
    description="Applies webhook events to the tables. `webhook_events_sensor` keeps one run alive while events wait.",
    # A run that hangs must not hold up webhooks: Dagster ends it after max_runtime seconds.
    tags={"dagster/max_runtime": "420", "dagster/priority": "10"} | WEBHOOKS,
)
def drain_webhooks() -> None:
    drain_inbox()


class MaterializationLog:
    """Logs what was applied as materializations, and keeps the checks of the materialized assets evaluated."""

    def __init__(self, context: OpExecutionContext, services: Services) -> None:
        self._context = context
        self._services = services
        self._materialized: set[str] = set()
        self._checked_at = float("-inf")

    def __call__(self, applied: Applied) -> None:
        name = self._services.accounts.names([applied.account_id]).get(applied.account_id)
        entities = log_applied(self._context, applied, name)
        is_new = not entities <= self._materialized
        self._materialized |= entities
        if is_new or time.monotonic() - self._checked_at > _CHECK_SECONDS:
            self.evaluate_checks()

    def evaluate_checks(self) -> None:
        log_evaluations(self._context, self._services, sorted(self._materialized))
        self._checked_at = time.monotonic()


def log_applied(context: OpExecutionContext, applied: Applied, name: str | None) -> set[str]:
    """Log one materialization per asset of the account, with counts and event ids; log an error as a warning.

    `name`: the account's, if it has one.

    Returns the materialized entities.
    """
    if applied.error is not None:
        context.log.warning(f"{account_label(applied.account_id, name)}: {applied.error}")
    entities = applied.counts.keys() | applied.events.keys()
    for entity in sorted(entities):
        counts, events = applied.counts.get(entity), applied.events.get(entity, [])
        metadata: dict[str, MetadataValue[Any] | int | str] = {
            **account_metadata(name),
            **({f"rows_{name}": number for name, number in counts.as_dict().items()} if counts else {}),
            "events": len(events),
            "event_ids": MetadataValue.json(events[:_SHOWN]),
            "request_ids": MetadataValue.json(applied.request_ids[:_SHOWN]),
            "api_calls": applied.api_calls,
        }
        partition = str(applied.account_id)
        context.log_event(AssetMaterialization(entity_key(entity), partition=partition, metadata=metadata))
    return set(entities)
