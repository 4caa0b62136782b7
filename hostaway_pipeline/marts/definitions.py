"""The Dagster code location of the marts. Loading it reads HOSTAWAY_HOME: the assets follow from the manifest."""

from typing import ClassVar

from dagster import Definitions, definitions, in_process_executor

from hostaway_pipeline.defs.keys import MARTS
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.marts.assets import build_assets
from hostaway_pipeline.marts.project import DbtProject
from hostaway_pipeline.marts.report import portfolio_report
from hostaway_pipeline.marts.schedules import build_after_sync, build_marts, frequent_build, nightly_build
from hostaway_pipeline.settings import load_settings


class MartsResource(HostawayResource):
    """The services for runs that build the marts."""

    lane: ClassVar[dict[str, str]] = MARTS


@definitions
def defs() -> Definitions:
    """Dagster calls this when it loads the location; importing the module reads nothing."""
    return Definitions(
        assets=[build_assets(DbtProject.of(load_settings().home)), portfolio_report],
        jobs=[build_marts],
        schedules=[frequent_build, nightly_build],
        sensors=[build_after_sync],
        resources={"hostaway": MartsResource()},
        executor=in_process_executor,
    )
