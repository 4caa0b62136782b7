"""What is odd in the payloads that are written is counted in the database, and stops nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hostaway_pipeline.domain.entities import LISTINGS, RESERVATIONS
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from tests.factories import reservation, rows

START = datetime(2026, 6, 5, 12, tzinfo=UTC)


@pytest.fixture
def tables(database: Database, database_url: str) -> PullWriter:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1) RETURNING 1")
    return PullWriter(database, Owner(1, UUID(int=7)))


def read(tables: PullWriter, at: int, *payloads: dict[str, Any]) -> None:
    made = [RESERVATIONS.row(payload, START + timedelta(seconds=at)) for payload in payloads]
    tables.merge(RESERVATIONS, [row for row in made if row is not None])


def findings(url: str) -> dict[tuple[str, str, str], int]:
    found = rows(url, "SELECT * FROM hostaway.payload_findings WHERE account_id = 1")
    assert all(row["first_seen_at"] <= row["last_seen_at"] for row in found)
    return {(row["entity"], row["key"], row["finding"]): row["rows"] for row in found}


def test_an_ordinary_payload_leaves_no_trace(tables: PullWriter, database_url: str) -> None:
    read(tables, 0, reservation(financeField=[{"name": "baseRate", "total": 5, "isDeleted": 0}]))
    assert findings(database_url) == {}


def test_written_rows_are_counted_by_key(tables: PullWriter, database_url: str) -> None:
    odd = {"petFee": 5, "adults": "two", "financeField": [{"total": "many"}, {"total": "few"}]}
    read(tables, 0, reservation(1, **odd), reservation(2, **odd), reservation(3))
    counted = {
        ("reservations", "petFee", "unknown"): 2,
        ("reservations", "adults", "unreadable"): 2,
        ("reservations", "financeField.total", "unreadable"): 2,
    }
    assert findings(database_url) == counted
    read(tables, 1, reservation(1, **odd), reservation(2, **odd))  # unchanged
    read(tables, 2, reservation(1, **odd, updatedOn="2026-06-04 10:00:00"))  # only its clock moves
    assert findings(database_url) == counted
    read(tables, 3, reservation(1, **odd, status="cancelled", updatedOn="2026-06-04 10:00:00"))
    assert findings(database_url) == {
        ("reservations", "petFee", "unknown"): 3,
        ("reservations", "adults", "unreadable"): 3,
        ("reservations", "financeField.total", "unreadable"): 2,  # the lines stayed as they were
    }


def test_findings_add_up_over_merges_and_entities_are_apart(tables: PullWriter, database_url: str) -> None:
    read(tables, 0, reservation(1, petFee=5), reservation(2, petFee=5))
    listing = LISTINGS.row({"id": 1, "petFee": 5}, START)
    assert listing is not None
    tables.merge(LISTINGS, [listing])
    read(tables, 1, *(reservation(number, petFee=6) for number in (1, 2, 3)))
    assert findings(database_url) == {("listings", "petFee", "unknown"): 1, ("reservations", "petFee", "unknown"): 5}
    seen = rows(database_url, "SELECT entity FROM hostaway.payload_findings WHERE first_seen_at < last_seen_at")
    assert seen == [{"entity": "reservations"}]


def test_what_could_not_be_read_is_null(tables: PullWriter, database_url: str) -> None:
    read(tables, 0, reservation(adults="two", phone={"home": 1}, totalPrice="a lot", cancellationDate="0000-00-00"))
    query = "SELECT adults, guest_phone, total_price, cancelled_on, status FROM hostaway.reservations"
    assert rows(database_url, query) == [
        {"adults": None, "guest_phone": None, "total_price": None, "cancelled_on": None, "status": "new"}
    ]
    assert {key for _, key, _ in findings(database_url)} == {"adults", "phone", "totalPrice"}
