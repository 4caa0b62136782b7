"""Counts the rows and index entries that Postgres reads, to show that a cost does not grow with a table."""

import time
from collections.abc import Callable

import psycopg

from hostaway_pipeline.store.database import Database

_READ = """
SELECT (SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relid = %s::regclass)
     + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relid = %s::regclass)
"""
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hostaway'"


def tuples_read(database: Database, table: str, work: Callable[[], object]) -> int:
    """How many rows and index entries of the table the work reads, over all of the database's sessions."""
    before = _total(database, f"hostaway.{table}")
    work()
    return _total(database, f"hostaway.{table}") - before


def _total(database: Database, table: str) -> int:
    """A session reports what it has read at the latest when it ends: end them all first."""
    database.dispose()
    with psycopg.connect(database.url(show_password=True), autocommit=True) as connection:
        while _number(connection, _SESSIONS):
            time.sleep(0.01)
        return _number(connection, _READ, table, table)


def _number(connection: psycopg.Connection, query: str, *values: str) -> int:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return int(row[0])
