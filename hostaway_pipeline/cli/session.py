"""Opens what every command needs: settings, logging, services."""

from collections.abc import Iterator
from contextlib import contextmanager

from hostaway_pipeline.log import configure_logging
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings, load_settings
from hostaway_pipeline.wiring import open_services


def configure() -> Settings:
    """Load the settings and set up logging."""
    settings = load_settings()
    configure_logging(settings.log_level)
    return settings


@contextmanager
def configured_services(*, migrated: bool = True, checked: bool = True) -> Iterator[Services]:
    """Open the services on the configured database. Only the embedded database is migrated here.

    Raises ConfigurationError or DatabaseUnavailable before the command does anything.
    """
    with services_for(configure(), migrated=migrated, checked=checked) as services:
        yield services


@contextmanager
def services_for(settings: Settings, *, migrated: bool = True, checked: bool = True) -> Iterator[Services]:
    services = open_services(settings)
    try:
        if migrated and settings.database_url is None:
            services.migrate()
        if checked:
            services.check()
        elif migrated:
            services.check_migrated()
        yield services
    finally:
        services.close()
