"""The Dagster resource that opens the services. It has no configuration, because Dagster's UI shows configuration."""

import multiprocessing
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from dagster import ConfigurableResource, InitResourceContext

from hostaway_pipeline.defs.keys import BULK, LANE, WEBHOOKS
from hostaway_pipeline.log import configure_logging
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.wiring import open_services

# Of Unix's 19 steps: a drainer beside it gets ten times its share of a busy processor.
_GIVEN_WAY = 10


class HostawayResource(ConfigurableResource):  # type: ignore[type-arg]
    """Opens the services from the environment, checks schema and keys, and closes them when the step ends."""

    lane: ClassVar[dict[str, str]] = BULK
    """The tag of runs that have no lane yet."""

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Generator[Any, None, None]:
        """Hold the run's lock (liveness.py) while a run has this resource: with one process per run, to its last step.

        A run that is not the drainer's gives way to it. Ticks of sensors and schedules have no run.
        """
        if context.run is None:
            yield self
            return
        _give_way(context.run.tags)
        with _open_services() as services, services.run_lock(context.run.run_id):
            if context.instance is not None and LANE not in context.run.tags:
                context.instance.add_run_tags(context.run.run_id, self.lane)
            yield self

    @contextmanager
    def services(self) -> Iterator[Services]:
        with _open_services() as services:
            services.check()
            yield services


def _give_way(tags: Mapping[str, str]) -> None:
    """Lower the priority of this process, if it is the run's own: webhooks shall not wait for bulk work's processor."""
    if tags.get(LANE) != WEBHOOKS[LANE] and multiprocessing.parent_process() is not None:
        os.nice(_GIVEN_WAY)


@contextmanager
def _open_services() -> Iterator[Services]:
    settings = load_settings()
    configure_logging(settings.log_level)
    services = open_services(settings, create=False)
    try:
        yield services
    finally:
        services.close()
