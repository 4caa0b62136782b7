"""The statement that stores a listing's days: what it writes, what it counts, and what it leaves alone."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from hostaway_pipeline.domain.calendar import COLUMNS, Days
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.store.copy.calendar import WrittenDays
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from tests.factories import rows

START = datetime(2026, 6, 5, 12, tzinfo=UTC)
FIRST = date(2026, 7, 1)
SPAN = FIRST, FIRST + timedelta(9)
VALUES = (True, "available", Decimal("90.5"), 2, 30, 4, 3, 1, 0)
OTHERS = (False, "blocked", Decimal("90.6"), 3, 31, 5, 4, 2, 1)


@pytest.fixture
def tables(database: Database, database_url: str) -> PullWriter:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1), (2) RETURNING 1")
    return PullWriter(database, Owner(1, UUID(int=7)))


def day(number: int) -> date:
    return FIRST + timedelta(number)


def write(
    tables: PullWriter,
    days: dict[int, tuple[Any, ...]],
    *,
    listing_id: int = 5,
    gone: tuple[int, ...] = (),
    at: int = 0,
) -> WrittenDays:
    """Write days by their number from the first on, as asked for at a second of the day."""
    answer = Days({day(number): values for number, values in days.items()})
    asked_at = START + timedelta(seconds=at)
    return tables.write_days(listing_id, answer, SPAN, gone=[day(number) for number in gone], read_at=asked_at)


def stored(url: str) -> list[dict[str, Any]]:
    return rows(url, "SELECT * FROM hostaway.calendar_days ORDER BY account_id, listing_id, date")


@pytest.mark.parametrize("place", range(len(COLUMNS)), ids=list(COLUMNS))
def test_a_day_of_which_one_column_changes_is_written(tables: PullWriter, database_url: str, place: int) -> None:
    write(tables, {0: VALUES, 1: VALUES})
    before = stored(database_url)
    changed = (*VALUES[:place], OTHERS[place], *VALUES[place + 1 :])
    assert write(tables, {0: VALUES, 1: changed}, at=1).counts == Counts(fetched=2, updated=1, unchanged=1)
    after = stored(database_url)
    moved_at = after[1].pop("updated_at")
    assert moved_at > before[1].pop("updated_at")
    assert after[0] == before[0]
    assert after[1] == before[1] | {list(COLUMNS)[place]: OTHERS[place], "read_at": START + timedelta(seconds=1)}


@pytest.mark.parametrize("place", range(len(COLUMNS)), ids=list(COLUMNS))
def test_a_value_that_becomes_unknown_is_a_change(tables: PullWriter, database_url: str, place: int) -> None:
    write(tables, {0: VALUES})
    assert write(tables, {0: (*VALUES[:place], None, *VALUES[place + 1 :])}).counts.updated == 1
    assert stored(database_url)[0][list(COLUMNS)[place]] is None


@pytest.mark.parametrize("is_other_account", [True, False])
def test_accounts_and_listings_are_apart(
    tables: PullWriter, database: Database, database_url: str, is_other_account: bool
) -> None:
    other = PullWriter(database, Owner(2, UUID(int=8))) if is_other_account else tables
    listing_id = 5 if is_other_account else 6
    write(other, dict.fromkeys(range(4), VALUES), listing_id=listing_id)
    before = stored(database_url)
    first = write(tables, {0: VALUES, 1: OTHERS})
    assert (first.counts, first.stored, first.missing) == (Counts(fetched=2, inserted=2), 0, frozenset())
    assert write(tables, {0: VALUES}, gone=(1, 2)).counts == Counts(fetched=1, unchanged=1, deleted=1)
    write(tables, {}, gone=(0,))
    assert stored(database_url) == before


def test_what_is_stored_and_missing_is_told_of_the_range_only(tables: PullWriter) -> None:
    write(tables, dict.fromkeys((-1, 0, 3, 9, 10), VALUES))
    again = write(tables, dict.fromkeys((-1, 0), VALUES))
    assert again.counts == Counts(fetched=2, unchanged=2)
    assert again.stored == 3
    assert again.missing == {day(3), day(9)}


def test_days_out_of_the_range_are_compared_too(tables: PullWriter, database_url: str) -> None:
    write(tables, {-1: VALUES, 10: VALUES})
    before = stored(database_url)
    assert write(tables, {-1: VALUES, 10: OTHERS}, at=1).counts == Counts(fetched=2, updated=1, unchanged=1)
    assert stored(database_url)[0] == before[0]


def test_only_days_that_are_stored_count_as_deleted(tables: PullWriter, database_url: str) -> None:
    write(tables, dict.fromkeys(range(3), VALUES))
    assert write(tables, {0: VALUES}, gone=(2, 7)).counts == Counts(fetched=1, unchanged=1, deleted=1)
    assert [row["date"] for row in stored(database_url)] == [day(0), day(1)]
