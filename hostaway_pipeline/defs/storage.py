"""Dagster's Postgres storage with open connections: dagster.yaml names this class as the instance's storage.

dagster-postgres opens a connection for each statement, two for each event: that takes Postgres ten times as long as
the statements, and an idle instance opens twenty a second.
"""

import os
from functools import cache
from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, pg_url_from_config

from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.store.sessions import connection_limits, prepare_psycopg2
from hostaway_pipeline.store.urls import parse_url, sibling_url, with_driver

# Connections that a process keeps; it opens more when its threads need them at the same time, and closes those.
_KEPT = 2


class PooledPostgresStorage(DagsterPostgresStorage):
    """All instances of a process, and runs, events and schedules in each, share one pool of connections.

    Its `config` may be left out: then the URL is that of our settings, which may stand in a file.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        url = parse_url(postgres_url)
        postgres_url = url.update_query_dict({k: str(v) for k, v in connection_limits(url).items()}).render_as_string(
            hide_password=False
        )
        # Code servers make an instance for every tick: look for missing tables once.
        super().__init__(postgres_url, should_autocreate_tables=postgres_url not in _seen, inst_data=inst_data)
        _seen.add(postgres_url)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = session_engine(postgres_url)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        is_named = not config_value.keys().isdisjoint({"postgres_url", "postgres_db"})
        return cls(pg_url_from_config(config_value) if is_named else _configured_url(), inst_data)


def _configured_url() -> str:
    """Raises ConfigurationError without a database of ours: the embedded one has no URL before it was started."""
    settings = load_settings()
    if (found := settings.dagster_database_url) is not None:
        return with_driver(found.get_secret_value(), "postgresql+psycopg2")
    if (found := settings.database_url) is not None:
        return with_driver(sibling_url(found.get_secret_value(), "dagster"), "postgresql+psycopg2")
    raise ConfigurationError("Dagster's storage needs HOSTAWAY_DATABASE_URL or HOSTAWAY_DAGSTER_DATABASE_URL")


_seen: set[str] = set()


@cache
def session_engine(url: str) -> Any:
    """The pool of this process. The ping finds out that a connection was closed, by a restart of Postgres for one."""
    engine = create_pg_engine(
        url, isolation_level="AUTOCOMMIT", pool_size=_KEPT, max_overflow=-1, pool_pre_ping=True, pool_use_lifo=True
    )
    prepare_psycopg2(engine)
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine
