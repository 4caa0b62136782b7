"""The Dagster resource that opens the services. It has no configuration, because Dagster's UI shows configuration."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import ConfigurableResource

from hostaway_pipeline.log import configure_logging
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.wiring import open_services


class HostawayResource(ConfigurableResource):  # type: ignore[type-arg]
    """Opens the services from the environment, checks schema and keys, and closes them when the step ends."""

    @contextmanager
    def services(self) -> Iterator[Services]:
        settings = load_settings()
        configure_logging(settings.log_level)
        services = open_services(settings, create=False)
        try:
            services.check()
            yield services
        finally:
            services.close()
