"""The drainer run: one at a time, for as long as webhook events come, and a little longer. sensors.py starts it.

A run per batch of events would cost four seconds and a row in the run list each. What it applied shows as
materializations of each account's own partition.
"""

import time
from typing import Any

from dagster import AssetMaterialization, Config, Failure, MetadataValue, OpExecutionContext, job, op
from pydantic import Field

from hostaway_pipeline.defs.assets import entity_key
from hostaway_pipeline.defs.checks import log_evaluations
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.apply import Applied
from hostaway_pipeline.sync.push.drain import drain

LANE = "hostaway/lane"
# Events of one batch that the metadata names; the inbox knows all of them.
_SHOWN = 200
# The checks read all accounts: often enough for people, seldom enough for the database.
_CHECK_SECONDS = 120.0


class DrainConfig(Config):
    """Run configuration of `drain_webhooks`."""

    linger_seconds: float = Field(30, ge=0, description="End when no event came for so long.")
    lifetime_seconds: float = Field(300, gt=0, description="End after so long in any case; the next run goes on.")


@op(description="Applies webhook events to the tables; reads from Hostaway by id what their payloads cannot settle.")
def drain_inbox(context: OpExecutionContext, config: DrainConfig, hostaway: HostawayResource) -> None:
    with hostaway.services() as services, services.run_lock(context.run_id):
        told = Told(context, services)
        try:
            drained = drain(services, told, linger=config.linger_seconds, lifetime=config.lifetime_seconds)
            told.check()
        except PipelineError as error:
            raise Failure(str(error), allow_retries=False) from None
        if drained.is_alone:
            context.log.info(f"{drained.events} events in {drained.batches} batches")
        else:
            context.log.info("another drainer is at work")


@job(
    description="Webhook events into the tables. The sensor `webhook_events_sensor` keeps one run alive while there is "
    "work.",
    # An orphan of a killed stack must not block the webhooks: Dagster ends it after this many seconds.
    tags={"dagster/max_runtime": "420", "dagster/priority": "10", LANE: "webhooks"},
)
def drain_webhooks() -> None:
    drain_inbox()


class Told:
    """Tells Dagster what was applied, and keeps the checks of what was materialized current."""

    def __init__(self, context: OpExecutionContext, services: Services) -> None:
        self._context = context
        self._services = services
        self._materialized: set[str] = set()
        self._checked_at = float("-inf")

    def __call__(self, applied: Applied) -> None:
        entities = log_applied(self._context, applied)
        is_new = not entities <= self._materialized
        self._materialized |= entities
        if is_new or time.monotonic() - self._checked_at > _CHECK_SECONDS:
            self.check()

    def check(self) -> None:
        log_evaluations(self._context, self._services, sorted(self._materialized))
        self._checked_at = time.monotonic()


def log_applied(context: OpExecutionContext, applied: Applied) -> set[str]:
    """One materialization per asset of the account, with counts and event ids; a failure is a line of the log.

    Returns the entities that it named.
    """
    if applied.error is not None:
        context.log.warning(f"account {applied.account_id}: {applied.error}")
    entities = applied.counts.keys() | applied.events.keys()
    for entity in sorted(entities):
        counts, events = applied.counts.get(entity), applied.events.get(entity, [])
        metadata: dict[str, MetadataValue[Any] | int] = {
            **({f"rows_{name}": number for name, number in counts.as_dict().items()} if counts else {}),
            "events": len(events),
            "event_ids": MetadataValue.json(events[:_SHOWN]),
            "request_ids": MetadataValue.json(applied.request_ids[:_SHOWN]),
            "api_calls": applied.api_calls,
        }
        partition = str(applied.account_id)
        context.log_event(AssetMaterialization(entity_key(entity), partition=partition, metadata=metadata))
    return set(entities)
