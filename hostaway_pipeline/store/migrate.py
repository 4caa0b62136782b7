"""Upgrades the schema with Alembic, and checks whether it is up to date."""

from functools import cache
from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hostaway_pipeline.errors import SchemaBehind
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.locks import lock_migrations
from hostaway_pipeline.store.schema import SCHEMA

_VERSION = f"{SCHEMA}.alembic_version"


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade to a revision. Processes that migrate at the same time wait for each other."""
    with database.transaction() as connection:
        lock_migrations(connection)
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        with as_file(files(__package__) / "migrations") as folder:
            command.upgrade(_config(str(folder), connection), revision)


def check_migrated(database: Database) -> None:
    """Raises SchemaBehind when the schema is not at the revision that this version of the program needs."""
    with database.transaction() as connection:
        # Every tick of a sensor comes here: Alembic itself would look at the catalogue and read all revisions.
        is_there: bool = connection.exec_driver_sql(f"SELECT to_regclass('{_VERSION}') IS NOT NULL").scalar_one()
        current = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSION}").scalar() if is_there else None  # noqa: S608
    if current != _head():
        raise SchemaBehind(
            f"the database schema is at {current or 'nothing'}, this version needs {_head()}: run `hostaway db migrate`"
        )


@cache
def _head() -> str | None:
    """The newest revision. Reads all of them, which a process needs once."""
    with as_file(files(__package__) / "migrations") as folder:
        return ScriptDirectory(str(folder)).get_current_head()


def _config(folder: str, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
