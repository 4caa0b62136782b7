"""Finance lines beside those of other reservations and accounts, column by column, and when merges race."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import RESERVATIONS, Row
from hostaway_pipeline.store.copy.finance import FinanceAnswer
from hostaway_pipeline.store.copy.merge import Owner, merge
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from tests.factories import reservation, rows

START = datetime(2026, 6, 5, 12, tzinfo=UTC)
OWNER, NEIGHBOUR = Owner(1, UUID(int=7)), Owner(2, UUID(int=8))
LINE = {
    "id": 7,
    "name": "baseRate",
    "title": "Base",
    "type": "fee",
    "total": 90,
    "isIncludedInTotalPrice": 1,
    "isDeleted": 0,
}


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


@pytest.fixture
def tables(database: Database, database_url: str) -> PullWriter:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1), (2) RETURNING 1")
    return PullWriter(database, OWNER)


@pytest.fixture
def neighbour(tables: PullWriter, database: Database) -> PullWriter:
    """Another account, whose reservations have the same ids."""
    return PullWriter(database, NEIGHBOUR)


def as_rows(*payloads: dict[str, Any], at: float = 0) -> list[Row]:
    return [row for payload in payloads if (row := RESERVATIONS.row(payload, second(at))) is not None]


def read(tables: PullWriter, *payloads: dict[str, Any], at: float = 0) -> Counts:
    """Merge payloads of one page, read at a second of the day."""
    return tables.merge(RESERVATIONS, as_rows(*payloads, at=at))


def line(name: str, **changes: Any) -> dict[str, Any]:
    return LINE | {"name": name} | changes


def names(url: str, account_id: int = 1) -> dict[int, list[str]]:
    """The names of the stored lines, by reservation."""
    found = rows(
        url,
        "SELECT reservation_id, array_agg(name ORDER BY line_no) AS names FROM hostaway.reservation_finance_lines "
        "WHERE account_id = %s GROUP BY 1",
        account_id,
    )
    return {row["reservation_id"]: row["names"] for row in found}


def stored(url: str, account_id: int = 1) -> dict[str, Any]:
    [row] = rows(url, "SELECT * FROM hostaway.reservations WHERE id = 1 AND account_id = %s", account_id)
    return row


# The merge


@pytest.mark.parametrize(
    ("change", "column", "value"),
    [
        ({"id": 8}, "source_id", 8),
        ({"name": "vat"}, "name", "vat"),
        ({"title": "Rent"}, "title", "Rent"),
        ({"type": "tax"}, "type", "tax"),
        ({"total": 91}, "total", 91),
        ({"isIncludedInTotalPrice": 0}, "is_included", False),
        ({"isDeleted": 1}, "is_deleted", True),
    ],
)
def test_a_line_of_which_one_column_changes_is_written(
    tables: PullWriter, database_url: str, change: dict[str, Any], column: str, value: object
) -> None:
    query = "SELECT * FROM hostaway.reservation_finance_lines"
    read(tables, reservation(financeField=[LINE]))
    [before] = rows(database_url, query)
    read(tables, reservation(financeField=[LINE | change]), at=1)
    assert rows(database_url, query) == [before | {column: value}]


def test_a_total_of_many_digits_is_exact(tables: PullWriter, database_url: str) -> None:
    read(tables, reservation(financeField=[line("baseRate", total="12345678901234567.890123")]))
    query = "SELECT total::text FROM hostaway.reservation_finance_lines"
    assert rows(database_url, query) == [{"total": "12345678901234567.890123"}]


def test_reservations_of_one_page_do_not_share_their_lines(tables: PullWriter, database_url: str) -> None:
    two = [line("baseRate"), line("vat")]
    read(tables, *(reservation(number, financeField=two) for number in (1, 2, 3)))
    read(
        tables,
        reservation(1, financeField=two[:1]),
        reservation(2, financeField=[*two, line("cityTax")]),
        at=1,
    )
    assert names(database_url) == {1: ["baseRate"], 2: ["baseRate", "vat", "cityTax"], 3: ["baseRate", "vat"]}


def test_accounts_do_not_share_their_lines(tables: PullWriter, neighbour: PullWriter, database_url: str) -> None:
    payload = reservation(financeField=[LINE])
    read(neighbour, payload)
    read(tables, payload)
    assert names(database_url, 1) == names(database_url, 2) == {1: ["baseRate"]}


def test_a_merge_that_waited_for_newer_content_leaves_its_lines_and_counts_nothing(
    database: Database, tables: PullWriter, database_url: str
) -> None:
    """When it looked the stored row up, its own content was newer."""
    read(tables, reservation(financeField=[LINE]))
    newer = as_rows(reservation(financeField=[line("newer")], updatedOn="2026-06-04 10:00:00"), at=2)
    older = reservation(financeField=[line("older", total="many")], petFee=1, updatedOn="2026-06-03 10:00:00")
    waiting = threading.Thread(target=lambda: read(tables, older, at=1))
    with database.transaction() as connection:
        merge(connection, RESERVATIONS, newer, OWNER, is_read=True)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join()
    assert names(database_url) == {1: ["newer"]}
    assert rows(database_url, "SELECT key FROM hostaway.payload_findings") == []


# Lines that were read by id


def answer(tables: PullWriter, *reservation_ids: int, at: float = 5) -> Counts:
    """Merge a line that was asked for at this second."""
    found = FinanceAnswer([line("answered")], second(at))
    return tables.apply_finance(dict.fromkeys(reservation_ids or (1,), found), [])


def test_an_answer_completes_the_content_and_leaves_its_times(tables: PullWriter, database_url: str) -> None:
    read(tables, reservation())
    read(tables, reservation(updatedOn="2026-06-03 10:00:00"), at=1)  # the content stays as it is
    before = stored(database_url)
    assert answer(tables) == Counts(fetched=1, updated=1)
    after = stored(database_url)
    assert after["finance_read_at"] == second(5)
    assert after["raw_payload"] == before["raw_payload"] | {"financeField": [line("answered")]}
    kept = ("source_updated_at", "read_at", "unsettled_at", "status")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert names(database_url) == {1: ["answered"]}


def test_an_answer_changes_no_lines_that_are_known(tables: PullWriter, database_url: str) -> None:
    """A webhook may have brought them meanwhile."""
    read(tables, reservation(financeField=[line("known")]))
    assert answer(tables) == Counts()
    assert names(database_url) == {1: ["known"]}


@pytest.mark.parametrize("column", ["deleted_at", "unsettled_at"])
def test_an_answer_for_what_is_deleted_or_in_doubt_is_discarded(
    tables: PullWriter, database_url: str, column: str
) -> None:
    read(tables, reservation())
    rows(database_url, f"UPDATE hostaway.reservations SET {column} = read_at RETURNING 1")
    before = stored(database_url)
    assert answer(tables) == Counts()
    assert stored(database_url) == before


def test_an_answer_completes_content_of_which_nobody_knows_when_it_was_read(
    tables: PullWriter, database_url: str
) -> None:
    read(tables, reservation())
    rows(database_url, "UPDATE hostaway.reservations SET read_at = NULL RETURNING 1")
    assert answer(tables).updated == 1


def test_an_answer_completes_rows_that_a_later_sweep_has_proven(
    tables: PullWriter, neighbour: PullWriter, database_url: str
) -> None:
    """The sweep counts as a read of the row, whose own time is older."""
    read(tables, reservation())
    for number, entity in ((1, "reservations"), (1, "listings"), (2, "reservations")):
        rows(
            database_url,
            "INSERT INTO hostaway.sweeps (account_id, entity, started_at, finished_at, is_complete, seen_count, "
            "table_count, held_back, proven_at) VALUES (%s, %s, now(), now(), true, 1, 1, 0, %s) RETURNING 1",
            number,
            entity,
            second(3 if entity == "reservations" else 2),
        )
    assert answer(tables).updated == 1
    assert stored(database_url)["read_at"] == second(3)


def test_an_answer_takes_nothing_of_another_account(
    tables: PullWriter, neighbour: PullWriter, database_url: str
) -> None:
    read(tables, reservation())
    read(neighbour, reservation(1, guestName="Neighbour"), reservation(2), at=1)
    assert answer(tables, 1, 2) == Counts(fetched=1, updated=1)
    assert stored(database_url)["guest_name"] is None
    assert (names(database_url, 1), names(database_url, 2)) == ({1: ["answered"]}, {})
