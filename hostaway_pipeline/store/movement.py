"""Tells, at no cost that grows with the tables, whether their rows have changed since an earlier look."""

from collections.abc import Collection

from hostaway_pipeline.store.database import Database, driver, query


def movement(database: Database, tables: Collection[str]) -> str:
    """Return a digest of the tables' counters and of the accounts; it also changes every day. See movement.sql."""
    with database.autocommit() as connection:
        row = driver(connection).cursor().execute(query("movement"), {"tables": list(tables)}).fetchone()
    assert row is not None  # noqa: S101 (a SELECT without FROM returns one row)
    return str(row[0])
