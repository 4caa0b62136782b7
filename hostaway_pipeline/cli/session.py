"""What every command needs: settings, logging, services."""

from collections.abc import Iterator
from contextlib import contextmanager

from hostaway_pipeline.log import configure_logging
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings, load_settings
from hostaway_pipeline.wiring import open_services


def configured() -> Settings:
    settings = load_settings()
    configure_logging(settings.log_level)
    return settings


@contextmanager
def services(*, migrated: bool = True, checked: bool = True) -> Iterator[Services]:
    """Services on the configured database. The embedded one is brought up to date by itself, any other one on request.

    Raises ConfigurationError or DatabaseUnavailable before anything is done.
    """
    with services_for(configured(), migrated=migrated, checked=checked) as opened:
        yield opened


@contextmanager
def services_for(settings: Settings, *, migrated: bool = True, checked: bool = True) -> Iterator[Services]:
    opened = open_services(settings)
    try:
        if migrated and settings.database_url is None:
            opened.migrate()
        if checked:
            opened.check()
        elif migrated:
            opened.check_migrated()
        yield opened
    finally:
        opened.close()
