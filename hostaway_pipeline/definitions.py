"""The Dagster code location. Definitions are a function, so that tests can swap resources."""

from typing import Any

from dagster import Definitions, in_process_executor

from hostaway_pipeline.defs.assets import entity_assets
from hostaway_pipeline.defs.checks import entity_checks
from hostaway_pipeline.defs.jobs import sync_account
from hostaway_pipeline.defs.reconcile import reconcile
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.schedules import nightly_reconcile
from hostaway_pipeline.defs.sensors import accounts_sensor


def build_defs(**overrides: Any) -> Definitions:
    """`overrides` replace resources by name."""
    return Definitions(
        assets=entity_assets,
        asset_checks=[entity_checks],
        jobs=[sync_account, reconcile],
        schedules=[nightly_reconcile],
        sensors=[accounts_sensor],
        resources={"hostaway": HostawayResource(), **overrides},
        # One process per run: four small steps are not worth four interpreters.
        executor=in_process_executor,
    )


defs = build_defs()
