"""The Dagster code location. Definitions are a function, so that tests can swap resources."""

from typing import Any

from dagster import Definitions, in_process_executor

from hostaway_pipeline.defs.assets import build_assets
from hostaway_pipeline.defs.checks import entity_checks
from hostaway_pipeline.defs.drainer import drain_webhooks
from hostaway_pipeline.defs.jobs import sync_account
from hostaway_pipeline.defs.liveness import liveness_sensor
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.retention import nightly_purge, purge
from hostaway_pipeline.defs.schedules import build_schedules
from hostaway_pipeline.defs.sensors import accounts_sensor, webhook_events_sensor
from hostaway_pipeline.defs.sweepers import calendar, listings, reconcile, refresh, requested
from hostaway_pipeline.settings import load_settings


def build_defs(*, has_calendar: bool | None = None, **overrides: Any) -> Definitions:
    """`has_calendar`: None, as HOSTAWAY_SYNC_CALENDAR says. `overrides` replace resources by name."""
    if has_calendar is None:
        has_calendar = load_settings().sync_calendar
    sweepers = [reconcile, refresh, listings, *([calendar] if has_calendar else [])]
    return Definitions(
        assets=build_assets(has_calendar=has_calendar),
        asset_checks=[entity_checks],
        jobs=[sync_account, *sweepers, requested, drain_webhooks, purge],
        schedules=[*build_schedules(has_calendar=has_calendar), nightly_purge],
        sensors=[accounts_sensor, webhook_events_sensor, liveness_sensor],
        resources={"hostaway": HostawayResource(), **overrides},
        # One process per run: four small steps are not worth four interpreters.
        executor=in_process_executor,
    )


defs = build_defs()
