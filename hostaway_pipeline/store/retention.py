"""Deletes what has become old: events, sync runs, rate scopes, versions, removed accounts with all their rows.

Other rows of entities stay. Those that Hostaway no longer has lose their guests: `Erasure.forget_tombstones`.
"""

from datetime import timedelta

from sqlalchemy import Connection, Table

from hostaway_pipeline.store.accounts.removal import delete_account
from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.schema import listing_versions, reservation_versions

# Rows per transaction: short enough that nobody who needs one of them waits.
_BATCH = 5_000
# A scope's learned pace is worth keeping over a week without a sync.
_SCOPES_KEPT = timedelta(days=14)


class Retention:
    """The purges return how many rows were deleted, in transactions of at most 5,000 rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def purge_events(self, older_than: timedelta) -> int:
        """Finished events of that age, and the heads of objects without an event since; failed events stay longer."""
        self._purge("purge_heads", older_than)
        return self._purge("purge_events", older_than)

    def purge_failed_events(self, older_than: timedelta) -> int:
        return self._purge("purge_failed_events", older_than)

    def purge_removed_accounts(self, older_than: timedelta) -> int:
        """Accounts that were removed that long ago, with all their rows; returns how many accounts."""
        with self._database.transaction() as connection:
            found = driver(connection).cursor().execute(query("removed_accounts"), {"age": older_than}).fetchall()
        for (account_id,) in found:
            delete_account(self._database, account_id)
        return len(found)

    def purge_sync_runs(self, older_than: timedelta) -> int:
        """Runs of that age, except the newest of each account and mode."""
        return self._purge("purge_sync_runs", older_than)

    def purge_rate_scopes(self) -> int:
        """Scopes, with what was learned of them, from which nobody has taken a slot for two weeks."""
        return self._purge("purge_rate_scopes", _SCOPES_KEPT)

    def purge_versions(self, older_than: timedelta) -> int:
        """Superseded states of reservations and listings that ended that long ago."""
        return sum(
            self._purge("purge_versions", older_than, table) for table in (reservation_versions, listing_versions)
        )

    def sum_row_counts(self) -> None:
        """Keep one row per account and entity of the numbers of rows: see sum_row_counts.sql."""
        self._database.run(lambda connection: driver(connection).cursor().execute(query("sum_row_counts")))

    def _purge(self, name: str, age: timedelta, table: Table | None = None) -> int:
        statement = query(name) if table is None else query(name).format(table=table)

        def delete_batch(connection: Connection) -> int:
            return driver(connection).cursor().execute(statement, {"age": age, "batch": _BATCH}).rowcount

        total = 0
        while deleted := self._database.run(delete_batch):
            total += deleted
        return total
