"""First syncs of accounts: one per kind of sandbox, of which tests with the same kind get the rows.

A sync costs half a second of CPU, and equal sandboxes have equal objects.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from hostaway_pipeline.domain.tokens import Token
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.schema import metadata
from tests.factories import add_account, synced

_TABLES = [table.fullname for table in metadata.sorted_tables if table.name != "key_canaries"]  # opening fills it
_SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences WHERE last_value > 0"

_kept: dict[str, "Rows"] = {}  # by the configuration of the sandbox and the settings


class Rows:
    """Every row of a database, and where its sequences stand."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            self._tables = {table: self._read(connection, table) for table in _TABLES}
            self._sequences = connection.execute(_SEQUENCES).fetchall()

    @staticmethod
    def _read(connection: psycopg.Connection[Any], table: str) -> bytes:
        with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT binary)".encode()) as copy:
            return b"".join(copy)

    def write(self, url: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("SET session_replication_role = replica")  # what triggers made is among the rows
            for table, content in self._tables.items():
                with connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)".encode()) as copy:
                    copy.write(content)
            for sequence in self._sequences:
                connection.execute("SELECT setval(%s, %s)", sequence)


def after_first_sync(services: Services, sandbox: SandboxServer) -> None:
    """Bring an empty database into the state after all accounts of a new sandbox were added and synced."""
    url = services.database.url(show_password=True)
    kind = repr((sandbox.config, services.settings.model_dump(exclude={"database_url", "api_url", "home"})))
    if kind in _kept:
        _kept[kind].write(url)
        for account_id in sandbox.world.accounts:
            token = Token(sandbox.tokens.issue(account_id), datetime.now(UTC) + timedelta(days=1))
            services.tokens.save(account_id, token)
        return
    for account_id in sandbox.world.accounts:
        add_account(services, account_id)
        synced(services, account_id)
    _kept[kind] = Rows(url)
