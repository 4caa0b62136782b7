"""Upgrades the schema with Alembic, and checks whether it is up to date."""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hostaway_pipeline.errors import SchemaBehind
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.locks import lock_migrations
from hostaway_pipeline.store.schema import SCHEMA


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade to a revision. Processes that migrate at the same time wait for each other."""
    with database.transaction() as connection:
        lock_migrations(connection)
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        with as_file(files(__package__) / "migrations") as folder:
            command.upgrade(_config(str(folder), connection), revision)


def check_migrated(database: Database) -> None:
    """Raises SchemaBehind when the schema is not at the revision that this version of the program needs."""
    with database.transaction() as connection, as_file(files(__package__) / "migrations") as folder:
        head = ScriptDirectory(str(folder)).get_current_head()
        current = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()
    if current != head:
        raise SchemaBehind(
            f"the database schema is at {current or 'nothing'}, this version needs {head}: run `hostaway db migrate`"
        )


def _config(folder: str, connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
