"""The merge: what is newer by Hostaway's clock wins, and `updated_at` moves only with content."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import RESERVATIONS, Row
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from tests.factories import reservation, rows

CUSTOMER = UUID(int=7)
Merge = Callable[..., Counts]


@pytest.fixture
def tables(database: Database, database_url: str) -> PullWriter:
    for account_id in (1, 2):
        rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING 1", account_id)
    return PullWriter(database, Owner(1, CUSTOMER))


def as_rows(*payloads: dict[str, Any]) -> list[Row]:
    return [row for payload in payloads if (row := RESERVATIONS.row(payload)) is not None]


def stored(url: str, reservation_id: int = 1) -> dict[str, Any]:
    return rows(url, "SELECT xmin::text, * FROM hostaway.reservations WHERE id = %s", reservation_id)[0]


def test_new_rows_are_inserted_with_account_and_customer(tables: PullWriter, database_url: str) -> None:
    assert tables.merge(RESERVATIONS, as_rows(reservation())) == Counts(fetched=1, inserted=1)
    row = stored(database_url)
    assert (row["account_id"], row["customer_id"]) == (1, CUSTOMER)
    assert row["source_updated_at"] == datetime(2026, 6, 2, 10, tzinfo=UTC)


def test_an_equal_row_is_not_touched(tables: PullWriter, database_url: str) -> None:
    tables.merge(RESERVATIONS, as_rows(reservation()))
    before = stored(database_url)
    assert tables.merge(RESERVATIONS, as_rows(reservation())) == Counts(fetched=1, unchanged=1)
    assert stored(database_url) == before


def test_newer_content_replaces_older_and_moves_updated_at(tables: PullWriter, database_url: str) -> None:
    tables.merge(RESERVATIONS, as_rows(reservation()))
    before = stored(database_url)
    newer = reservation(status="cancelled", updatedOn="2026-06-03 10:00:00")
    assert tables.merge(RESERVATIONS, as_rows(newer)) == Counts(fetched=1, updated=1)
    after = stored(database_url)
    assert (after["status"], after["raw_payload"]["status"]) == ("cancelled", "cancelled")
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


def test_older_content_changes_nothing(tables: PullWriter, database_url: str) -> None:
    """A slow poll must not undo a newer webhook."""
    tables.merge(RESERVATIONS, as_rows(reservation(status="modified")))
    before = stored(database_url)
    older = reservation(status="new", updatedOn="2026-06-01 10:00:00")
    assert tables.merge(RESERVATIONS, as_rows(older)) == Counts(fetched=1, unchanged=1)
    assert stored(database_url) == before


def test_of_equal_age_the_later_read_wins(tables: PullWriter, database_url: str) -> None:
    tables.merge(RESERVATIONS, as_rows(reservation(status="new")))
    assert tables.merge(RESERVATIONS, as_rows(reservation(status="modified"))).updated == 1
    assert stored(database_url)["status"] == "modified"


def test_volatile_keys_advance_the_source_clock_alone(tables: PullWriter, database_url: str) -> None:
    tables.merge(RESERVATIONS, as_rows(reservation()))
    before = stored(database_url)
    touched = reservation(updatedOn="2026-06-05 10:00:00", latestActivityOn="2026-06-05 10:00:00")
    assert tables.merge(RESERVATIONS, as_rows(touched)) == Counts(fetched=1, unchanged=1)
    after = stored(database_url)
    assert after["source_updated_at"] == datetime(2026, 6, 5, 10, tzinfo=UTC)
    assert {k: v for k, v in after.items() if k not in ("xmin", "source_updated_at")} == {
        k: v for k, v in before.items() if k not in ("xmin", "source_updated_at")
    }


def test_two_copies_of_one_id_in_a_page_count_once_and_the_newer_is_kept(tables: PullWriter, database_url: str) -> None:
    newer = reservation(status="modified", updatedOn="2026-06-04 10:00:00")
    counts = tables.merge(RESERVATIONS, as_rows(reservation(), newer, reservation()))
    assert counts == Counts(fetched=1, inserted=1)
    assert stored(database_url)["status"] == "modified"


def test_a_deleted_row_that_returns_is_restored_and_counts_as_updated(tables: PullWriter, database_url: str) -> None:
    tables.merge(RESERVATIONS, as_rows(reservation()))
    rows(database_url, "UPDATE hostaway.reservations SET deleted_at = now() RETURNING 1")
    assert tables.merge(RESERVATIONS, as_rows(reservation())).updated == 1
    assert stored(database_url)["deleted_at"] is None


def test_another_accounts_row_with_the_same_id_is_never_touched(
    tables: PullWriter, database: Database, database_url: str
) -> None:
    other = PullWriter(database, Owner(2, CUSTOMER))
    other.merge(RESERVATIONS, as_rows(reservation(guestName="of account 2")))
    tables.merge(RESERVATIONS, as_rows(reservation(guestName="of account 1", updatedOn="2027-01-01 00:00:00")))
    names = rows(database_url, "SELECT account_id, guest_name FROM hostaway.reservations ORDER BY account_id")
    assert [row["guest_name"] for row in names] == ["of account 1", "of account 2"]


@pytest.mark.parametrize(
    "payload",
    [
        reservation(guestName='👩‍👩‍👧 O\'Brien\t"quoted" \\N \n newline'),
        reservation(guestName="שלום — café — \u0301"),
        reservation(guestName="NUL \x00 and half a pair \ud800"),
        reservation(totalPrice=1e15, nights=0),
        reservation(reservation_id=2**62),
    ],
)
def test_unusual_values_survive_the_copy(tables: PullWriter, database_url: str, payload: dict[str, Any]) -> None:
    row = as_rows(payload)[0]
    tables.merge(RESERVATIONS, [row])
    found = stored(database_url, payload["id"])
    expected = str(payload["guestName"]).replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert found["raw_payload"]["guestName"] == (expected if payload["guestName"] else None)
    assert tables.merge(RESERVATIONS, [row]).unchanged == 1


def test_concurrent_merges_of_the_same_rows_end_at_the_newest(tables: PullWriter, database_url: str) -> None:
    versions = [
        as_rows(*(reservation(n, guestName=f"v{v}", updatedOn=f"2026-06-{v:02} 00:00:00") for n in range(1, 50)))
        for v in range(1, 9)
    ]
    barrier = threading.Barrier(len(versions))

    def merge(rows_of_one: list[Row]) -> None:
        barrier.wait()
        tables.merge(RESERVATIONS, rows_of_one)

    threads = [threading.Thread(target=merge, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = rows(database_url, "SELECT DISTINCT guest_name FROM hostaway.reservations")
    assert names == [{"guest_name": "v8"}]
