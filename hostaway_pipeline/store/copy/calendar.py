"""Reads and writes the days of one listing's calendar; one statement per listing."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from hostaway_pipeline.domain.calendar import COLUMNS, Days
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.store.database import driver, query


@dataclass(frozen=True, slots=True)
class WrittenDays:
    """What was written; how many days of the range were stored before, and which of them the answer lacks."""

    counts: Counts
    stored: int
    missing: frozenset[date]


def write_days(
    connection: Connection,
    account_id: int,
    listing_id: int,
    days: Days,
    span: tuple[date, date],
    *,
    gone: Collection[date] = (),
    read_at: datetime | None,
    dry_run: bool = False,
) -> WrittenDays:
    """Store the days whose content differs and delete those in `gone`; with `dry_run`, only count them.

    `span`: the first and the last day that were asked for. `read_at`: when they were.
    """
    columns = [*zip(*days.values.values(), strict=True)] or [()] * len(COLUMNS)
    values = {
        "account_id": account_id,
        "listing_id": listing_id,
        "first": span[0],
        "last": span[1],
        "date": [*days.values],
        **{name: [*column] for name, column in zip(COLUMNS, columns, strict=True)},
        "gone": [*gone],
        "read_at": read_at,
        "dry_run": dry_run,
    }
    row = driver(connection).cursor().execute(query("write_days"), values).fetchone()
    assert row is not None  # noqa: S101 (a SELECT of aggregates always returns one row)
    inserted, updated, deleted, stored, missing = row
    fetched = len(days.values)
    counts = Counts(fetched, inserted, updated, fetched - inserted - updated, deleted)
    return WrittenDays(counts, stored, frozenset(missing))


def listings_to_ask(connection: Connection, account_id: int) -> list[int]:
    """Ids of the listings whose calendar is read."""
    rows = driver(connection).cursor().execute(query("listings_to_ask"), {"account_id": account_id})
    return [listing_id for (listing_id,) in rows]
