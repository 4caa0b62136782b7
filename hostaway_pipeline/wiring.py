"""The composition root: chooses the database and the keys by the settings, and builds Services on them."""

from functools import cache
from pathlib import Path

from hostaway_pipeline.embedded.key_file import read_key
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.errors import KeyringError
from hostaway_pipeline.security.keyring import Keyring
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.secrets import is_in_use
from hostaway_pipeline.store.urls import libpq_environment, sibling_url, with_driver

DATABASE = "hostaway"
DAGSTER_DATABASE = "dagster"
KEY_FILE = "encryption.keys"


def open_services(settings: Settings, *, create: bool = True) -> Services:
    """Services on the configured database, or on the embedded one, which is started if necessary.

    `create`: create the embedded database if it is missing; only the first command needs that.
    """
    return services_on(settings, database_url(settings, DATABASE, create=create))


def database_url(settings: Settings, name: str, *, create: bool = True) -> str:
    """The URL of one of our two databases, without a driver in its scheme."""
    configured = settings.database_url if name == DATABASE else settings.dagster_database_url
    if configured is not None:
        return configured.get_secret_value()
    if settings.database_url is not None:
        return sibling_url(settings.database_url.get_secret_value(), name)
    server = embedded_postgres(settings.home.absolute())
    server.start()
    if create:
        server.ensure_database(name)
    return server.url(name)


def dagster_database_url(settings: Settings, services: Services) -> str:
    """Where Dagster stores runs; created if missing. Names psycopg2, as a bare URL would select psycopg 3."""
    url = database_url(settings, DAGSTER_DATABASE)
    if settings.dagster_database_url is None and settings.database_url is not None:
        services.database.ensure_sibling(DAGSTER_DATABASE)
    return with_driver(url, "postgresql+psycopg2")


def psql_command(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """psql's arguments, and its environment, which carries the password: an argument would show in the process list."""
    if settings.database_url is None:
        server = embedded_postgres(settings.home.absolute())
        server.start()
        server.ensure_database(DATABASE)
        return server.psql(DATABASE), {}
    return ["psql"], libpq_environment(settings.database_url.get_secret_value())


@cache
def embedded_postgres(home: Path) -> EmbeddedPostgres:
    """One per process and folder; the process leaves it when it ends."""
    return EmbeddedPostgres(home)


def services_on(settings: Settings, url: str) -> Services:
    """Services on the database at `url`. The keys are read when they are first needed."""

    def load_keyring() -> Keyring:
        if settings.encryption_keys is not None:
            return Keyring.parse(settings.encryption_keys.get_secret_value())
        if settings.database_url is not None:
            raise KeyringError("HOSTAWAY_ENCRYPTION_KEYS is not set; `hostaway keys generate` makes a key")
        key_file = settings.home.absolute() / KEY_FILE
        return Keyring.parse(read_key(key_file, may_create=lambda: not is_in_use(services.database)))

    services = Services(settings, url, load_keyring)  # load_keyring refers to it
    return services
