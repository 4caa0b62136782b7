"""An unchanged read proves what it saw: no answer to an earlier request replaces or deletes it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from hostaway_pipeline.domain.entities import LISTINGS, RESERVATIONS, Row
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.push_writer import ChangeSet, PushWriter
from hostaway_pipeline.store.copy.sweeps import SweepRecord
from hostaway_pipeline.store.database import Database
from tests.factories import (
    reservation,
    rows,
)

START = datetime(2026, 6, 5, 12, tzinfo=UTC)


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


def read(name: str, at: float, listing_id: int = 1) -> Row:
    """The row of a listing, which has no clock, requested at that second."""
    made = LISTINGS.row({"id": listing_id, "name": name}, second(at))
    assert made is not None
    return made


@pytest.fixture
def tables(database: Database, database_url: str) -> PullWriter:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1) RETURNING 1")
    return PullWriter(database, Owner(1, UUID(int=7)))


@pytest.fixture
def push(database: Database) -> PushWriter:
    return PushWriter(database, Owner(1, UUID(int=7)))


def read_by_id(push: PushWriter, row: Row) -> None:
    changes = ChangeSet()
    changes.reads[LISTINGS.name].append(row)
    push.apply(changes)


def swept(tables: PullWriter, at: float, *, deleted: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    record = SweepRecord("listings", second(at), True, 1, 1, 0, None, proven_at=second(at))
    tables.finish_sweep(LISTINGS, record, seen={1}, deleted=deleted, asked_at=second(at))


def names(url: str) -> list[str]:
    return [row["name"] for row in rows(url, "SELECT name FROM hostaway.listings WHERE deleted_at IS NULL ORDER BY id")]


def test_a_page_requested_before_an_unchanged_read_by_id_changes_nothing(
    tables: PullWriter, push: PushWriter, database_url: str
) -> None:
    tables.merge(LISTINGS, [read("A", 0)])
    read_by_id(push, read("A", 1000))
    tables.merge(LISTINGS, [read("B", 999)])
    assert names(database_url) == ["A"]


def test_a_sweep_does_not_delete_a_row_that_a_later_read_by_id_found(
    tables: PullWriter, push: PushWriter, database_url: str
) -> None:
    tables.merge(LISTINGS, [read("A", 0)])
    read_by_id(push, read("A", 1000))
    swept(tables, 999, deleted={1})
    assert names(database_url) == ["A"]


def test_a_read_requested_before_an_unchanged_sweep_changes_nothing(
    tables: PullWriter, push: PushWriter, database_url: str
) -> None:
    tables.merge(LISTINGS, [read("A", 0)])
    swept(tables, 1000)
    read_by_id(push, read("B", 999))
    assert names(database_url) == ["A"]
    read_by_id(push, read("B", 1001))
    assert names(database_url) == ["B"]


def test_a_404_requested_before_a_complete_sweep_deletes_nothing(
    tables: PullWriter, push: PushWriter, database_url: str
) -> None:
    tables.merge(LISTINGS, [read("A", 0)])
    swept(tables, 1000)
    changes = ChangeSet(asked_at=second(999))
    changes.gone[LISTINGS.name].add(1)
    push.apply(changes)
    assert names(database_url) == ["A"]
    changes.asked_at = second(1001)
    push.apply(changes)
    assert names(database_url) == []


def test_an_incomplete_sweep_proves_nothing_and_forgets_nothing(
    tables: PullWriter, push: PushWriter, database_url: str
) -> None:
    tables.merge(LISTINGS, [read("A", 0)])
    swept(tables, 500)
    record = SweepRecord("listings", second(1000), False, 2, 1, 0, "moved")
    tables.finish_sweep(LISTINGS, record, seen={1}, deleted=set(), asked_at=second(1000))
    read_by_id(push, read("B", 499))
    assert names(database_url) == ["A"]
    read_by_id(push, read("B", 999))
    assert names(database_url) == ["B"]


def test_of_two_copies_in_one_answer_the_newer_is_kept(tables: PullWriter, database_url: str) -> None:
    older = RESERVATIONS.row(reservation(status="new", updatedOn="2026-06-02 10:00:00"), second(0))
    newer = RESERVATIONS.row(reservation(status="modified", updatedOn="2026-06-03 10:00:00"), second(0))
    assert older is not None
    assert newer is not None
    tables.merge(RESERVATIONS, [newer, older])
    assert rows(database_url, "SELECT status FROM hostaway.reservations") == [{"status": "modified"}]
