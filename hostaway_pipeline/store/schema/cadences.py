"""When each account is due in each mode, who is at work on it, and the places of the runs that do the work."""

from sqlalchemy import Column, Index, Integer, Interval, Table, Text, Time

from hostaway_pipeline.store.schema.base import Instant, account_id, metadata

cadences = Table(
    "cadences",
    metadata,
    account_id(primary_key=True),
    Column("mode", Text, primary_key=True, comment="full, reconcile, refresh, listings, calendar"),
    Column("every", Interval, comment="The account's own period; null: as set for all"),
    Column("at", Time, comment="The account's own time of day for reconciles; null: in the window"),
    Column("next_due_at", Instant, comment="On the account's grid, moved by a success; null: on request only"),
    Column("requested_at", Instant, comment="A request that no success has answered yet"),
    Column("lease_until", Instant, comment="Nobody else claims the account before then"),
    Column("claimed_by", Text, comment="Run that holds the lease; null: a wait after a failure"),
    Column("succeeded_at", Instant, comment="Start of the newest success: the copy is as of then"),
    Column("last_interval", Interval, comment="Time between the starts of the two newest successes"),
    Index("cadences_due", "mode", "next_due_at"),
    comment="Accounts that are due are claimed by sweeper runs, the most urgent first",
)
Index("cadences_requested", cadences.c.requested_at, postgresql_where=cadences.c.requested_at.is_not(None))

sweeper_places = Table(
    "sweeper_places",
    metadata,
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("reserved_until", Instant, nullable=False, comment="Time for a requested run to appear in Dagster"),
    comment="One row per sweeper run that may exist at a time: two schedules cannot start a run for the same place",
)
