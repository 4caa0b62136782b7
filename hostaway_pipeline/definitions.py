"""The Dagster code location. Definitions are a function, so that tests can swap resources."""

from typing import Any

from dagster import Definitions, in_process_executor

from hostaway_pipeline.defs.alerts import failed_runs_sensor
from hostaway_pipeline.defs.assets import build_assets
from hostaway_pipeline.defs.checks import entity_checks
from hostaway_pipeline.defs.drainer import drain_webhooks
from hostaway_pipeline.defs.jobs import sync_account
from hostaway_pipeline.defs.liveness import liveness_sensor
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.retention import nightly_purge, purge
from hostaway_pipeline.defs.schedules import build_schedules
from hostaway_pipeline.defs.sensors import accounts_sensor, webhook_events_sensor
from hostaway_pipeline.defs.sweepers import calendar, listings, reconcile, refresh, requested, trails
from hostaway_pipeline.settings import load_settings


def build_defs(*, has_calendar: bool | None = None, has_trails: bool | None = None, **overrides: Any) -> Definitions:
    """None: as HOSTAWAY_SYNC_CALENDAR and HOSTAWAY_TRAILS_SHARE say. `overrides` replace resources by name."""
    settings = load_settings()
    has_calendar = settings.sync_calendar if has_calendar is None else has_calendar
    has_trails = settings.trails_share > 0 if has_trails is None else has_trails
    wanted = [(calendar, has_calendar), (trails, has_trails)]
    sweepers = [reconcile, refresh, listings, *(job for job, is_wanted in wanted if is_wanted)]
    return Definitions(
        assets=build_assets(has_calendar=has_calendar, has_trails=has_trails),
        asset_checks=[entity_checks],
        jobs=[sync_account, *sweepers, requested, drain_webhooks, purge],
        schedules=[*build_schedules(has_calendar=has_calendar, has_trails=has_trails), nightly_purge],
        sensors=[accounts_sensor, webhook_events_sensor, liveness_sensor, failed_runs_sensor],
        resources={"hostaway": HostawayResource(), **overrides},
        # One process per run: four small steps are not worth four interpreters.
        executor=in_process_executor,
    )


defs = build_defs()
