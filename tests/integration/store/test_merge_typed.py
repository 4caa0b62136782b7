"""What the merge fills besides the payload's columns: finance lines, when they were read, and when a listing ended."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import ENTITIES, FINANCE, LISTINGS, RESERVATIONS, Entity
from hostaway_pipeline.store.copy.merge import Owner, merge
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.push_writer import ChangeSet, PushWriter
from hostaway_pipeline.store.database import Database
from tests.factories import reservation, rows

START = datetime(2026, 6, 5, 12, tzinfo=UTC)
OWNER = Owner(1, UUID(int=7))
Read = Callable[..., Counts]


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


@pytest.fixture
def tables(database: Database, database_url: str) -> PullWriter:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1), (2) RETURNING 1")
    return PullWriter(database, OWNER)


@pytest.fixture
def read(tables: PullWriter) -> Read:
    """Merges one payload as read at a second of the day."""

    def merge_one(payload: dict[str, Any], at: float = 0, entity: Entity = RESERVATIONS) -> Counts:
        row = entity.row(payload, second(at))
        assert row is not None
        return tables.merge(entity, [row])

    return merge_one


def line(name: str, total: Any, **changes: Any) -> dict[str, Any]:
    return {"id": 7, "name": name, "type": "fee", "total": total, "isIncludedInTotalPrice": 1, **changes}


def with_lines(*lines: Any, **changes: Any) -> dict[str, Any]:
    return reservation(financeField=list(lines), **changes)


def lines(url: str, *columns: str) -> list[dict[str, Any]]:
    chosen = ", ".join(columns or ("line_no", "name", "total::text"))
    query = f"SELECT {chosen} FROM hostaway.reservation_finance_lines ORDER BY reservation_id, line_no"
    return rows(url, query)


def stored(url: str, table: str = "reservations") -> dict[str, Any]:
    return rows(url, f"SELECT xmin::text, * FROM hostaway.{table} WHERE id = 1")[0]


# Columns are those of the content


def test_volatile_keys_move_no_column(read: Read, database_url: str) -> None:
    """Models compare rows by updated_at: what moves without it would stay unseen."""
    listing = {"id": 1, "name": "Home", "latestActivityOn": "2026-06-01 10:00:00"}
    read(listing, entity=LISTINGS)
    read(listing | {"latestActivityOn": "2026-06-02 10:00:00"}, 1, LISTINGS)
    assert stored(database_url, "listings")["latest_activity_at"] == datetime(2026, 6, 1, 10, tzinfo=UTC)
    assert stored(database_url, "listings")["source_updated_at"] == datetime(2026, 6, 2, 10, tzinfo=UTC)
    read(listing | {"name": "House", "latestActivityOn": "2026-06-03 10:00:00"}, 2, LISTINGS)
    assert stored(database_url, "listings")["latest_activity_at"] == datetime(2026, 6, 3, 10, tzinfo=UTC)


def test_dates_that_are_not_specified_move_daily_without_a_change(read: Read, database_url: str) -> None:
    unknown = reservation(isDatesUnspecified=1, arrivalDate="2026-06-04", departureDate="2026-06-04")
    read(unknown)
    before = stored(database_url)
    moved = unknown | {"arrivalDate": "2026-06-05", "departureDate": "2026-06-05", "updatedOn": "2026-06-05 00:00:00"}
    assert read(moved, 1) == Counts(fetched=1, unchanged=1)
    after = stored(database_url)
    assert (after["arrival_date"], after["updated_at"]) == (before["arrival_date"], before["updated_at"])
    assert read(moved | {"isDatesUnspecified": 0}, 2).updated == 1


# When a listing was archived


@pytest.mark.parametrize(
    ("statuses", "archived_at"),
    [
        (["archived"], None),
        ([None, "archived"], 1),
        ([None, "archived", "archived"], 1),
        ([None, "archived", None], None),
        ([None, "archived", None, "archived"], 3),
        (["archived", "archived"], None),
    ],
)
def test_when_a_read_first_showed_a_listing_archived(
    read: Read, database_url: str, statuses: list[str | None], archived_at: int | None
) -> None:
    for number, status in enumerate(statuses):
        read({"id": 1, "name": f"Name {number}", "specialStatus": status}, number, LISTINGS)
    assert stored(database_url, "listings")["archived_at"] == (None if archived_at is None else second(archived_at))


# Finance lines


def test_lines_are_stored_with_their_position(read: Read, database_url: str) -> None:
    read(with_lines(line("baseRate", 90.5), line("cleaningFee", "20", isIncludedInTotalPrice=0, isDeleted=1)))
    assert lines(database_url, "*") == [
        {
            "account_id": 1,
            "reservation_id": 1,
            "line_no": 1,
            "source_id": 7,
            "name": "baseRate",
            "title": None,
            "type": "fee",
            "total": pytest.approx(90.5),
            "is_included": True,
            "is_deleted": None,
        },
        {
            "account_id": 1,
            "reservation_id": 1,
            "line_no": 2,
            "source_id": 7,
            "name": "cleaningFee",
            "title": None,
            "type": "fee",
            "total": 20,
            "is_included": False,
            "is_deleted": True,
        },
    ]


def test_only_lines_that_differ_are_written(read: Read, database_url: str) -> None:
    read(with_lines(line("baseRate", 90.5), line("cleaningFee", 20), line("vat", 5), line("cityTax", 2)))
    before = lines(database_url, "xmin::text", "*")
    read(with_lines(line("baseRate", 90.50), line("cleaningFee", 21), line("vat", 5)), 1)
    after = lines(database_url, "xmin::text", "*")
    assert [row["total"] for row in after] == [pytest.approx(90.5), 21, 5]
    assert (after[0], after[2]) == (before[0], before[2])
    assert after[1]["xmin"] != before[1]["xmin"]


def test_a_change_of_something_else_writes_no_line(read: Read, database_url: str) -> None:
    read(with_lines(line("baseRate", 90.5)))
    before = lines(database_url, "xmin::text", "*")
    assert read(with_lines(line("baseRate", 90.5), status="cancelled"), 1).updated == 1
    assert lines(database_url, "xmin::text", "*") == before


@pytest.mark.parametrize("payload", [with_lines(), reservation(financeField=None), reservation(financeField="none")])
def test_lines_that_are_gone_are_deleted(read: Read, database_url: str, payload: dict[str, Any]) -> None:
    read(with_lines(line("baseRate", 90.5)))
    read(payload, 1)
    assert lines(database_url) == []


def test_older_content_changes_no_line(read: Read, database_url: str) -> None:
    read(with_lines(line("baseRate", 90.5)), 10)
    read(with_lines(line("baseRate", 1), updatedOn="2026-06-01 10:00:00"), 5)
    assert [row["total"] for row in lines(database_url)] == ["90.5"]


def test_another_accounts_lines_stay(read: Read, database: Database, database_url: str) -> None:
    other = PullWriter(database, Owner(2, UUID(int=8)))
    row = RESERVATIONS.row(with_lines(line("baseRate", 1), line("vat", 2)), second(0))
    assert row is not None
    other.merge(RESERVATIONS, [row])
    read(with_lines(line("baseRate", 3)))
    read(with_lines(), 1)
    assert [row["account_id"] for row in lines(database_url, "account_id")] == [2, 2]


def test_a_merge_that_waited_for_another_leaves_its_own_lines_only(
    database: Database, tables: PullWriter, read: Read, database_url: str
) -> None:
    """The second merge begins before the first commits: what it then stores must not mix with the first one's lines."""
    read(with_lines(line("baseRate", 1)))
    rivals = [with_lines(line("baseRate", 2), line("vat", 9)), with_lines(line("baseRate", 1), guestName="Ann")]
    first, second_row = (RESERVATIONS.row(payload, second(at)) for at, payload in enumerate(rivals, start=1))
    assert first is not None
    assert second_row is not None
    waiting = threading.Thread(target=lambda: tables.merge(RESERVATIONS, [second_row]))
    with database.transaction() as connection:
        merge(connection, RESERVATIONS, [first], OWNER, is_read=True)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join()
    assert [(row["name"], row["total"]) for row in lines(database_url)] == [("baseRate", "1")]


# Since when the lines are those of the content


def test_a_payload_with_lines_says_when_they_were_read(read: Read, database_url: str) -> None:
    read(with_lines())
    assert stored(database_url)["finance_read_at"] == second(0)
    read(with_lines(status="cancelled"), 1)
    assert stored(database_url)["finance_read_at"] == second(1)


def test_an_unchanged_content_keeps_the_time(read: Read, database_url: str) -> None:
    read(with_lines(line("baseRate", 90.5)))
    read(with_lines(line("baseRate", 90.5), updatedOn="2026-06-04 10:00:00"), 1)
    read(reservation(updatedOn="2026-06-04 11:00:00"), 2)
    assert stored(database_url)["finance_read_at"] == second(0)


def test_a_change_that_comes_without_lines_makes_them_unknown(read: Read, database_url: str) -> None:
    read(with_lines(line("baseRate", 90.5)))
    read(reservation(status="cancelled"), 1)
    assert stored(database_url)["finance_read_at"] is None
    assert [row["total"] for row in lines(database_url)] == ["90.5"]


def test_the_same_lines_for_the_changed_content_make_them_known_again(read: Read, database_url: str) -> None:
    read(with_lines(line("baseRate", 90.5)))
    read(reservation(status="cancelled"), 1)
    before = stored(database_url)
    assert read(with_lines(line("baseRate", 90.5), status="cancelled"), 2) == Counts(fetched=1, updated=1)
    after = stored(database_url)
    assert after["finance_read_at"] == second(2)
    assert after["updated_at"] > before["updated_at"], "where rent comes from depends on it"
    assert read(with_lines(line("baseRate", 90.5), status="cancelled"), 3) == Counts(fetched=1, unchanged=1)


def test_lines_that_come_for_the_first_time_are_a_change(read: Read, database_url: str) -> None:
    read(reservation())
    assert stored(database_url)["finance_read_at"] is None
    assert read(with_lines(), 1).updated == 1
    assert stored(database_url)["finance_read_at"] == second(1)


def test_an_event_brings_lines_too(database: Database, tables: PullWriter, database_url: str) -> None:
    changes = ChangeSet()
    row = RESERVATIONS.row(with_lines(line("baseRate", 90.5)), second(5))
    assert row is not None
    changes.rows[RESERVATIONS.name].append(row)
    PushWriter(database, OWNER).apply(changes)
    assert stored(database_url)["finance_read_at"] == second(5)
    assert [row["name"] for row in lines(database_url)] == ["baseRate"]


# Whatever the values are

VALUES = st.sampled_from(
    [
        None, "", "0", "many", "\x00", "\ud800", "0000-00-00", "9999-12-31 23:59:59", "2026-02-30", True, -1, 2**63,
        1e308, 1e-320, 0.1, [], {}, [[]], [{}], [{"listingMapIdUnit": "x"}], [{"total": "9" * 400}], {"a": {"b": []}},
        "x" * 5000, "9" * 400, "-infinity", "NaN", "a@b" * 2000,
    ]
)  # fmt: skip


@pytest.mark.parametrize("name", ENTITIES)
def test_no_value_of_any_key_stops_a_merge(tables: PullWriter, name: str) -> None:
    entity = ENTITIES[name]
    keys = sorted({key for key, _ in entity.columns.values()} | {FINANCE, "somethingNew"})

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.fixed_dictionaries(dict.fromkeys(keys, VALUES)), st.integers(1, 3))
    def merge_it(payload: dict[str, Any], object_id: int) -> None:
        row = entity.row({**payload, "id": object_id}, datetime.now(UTC))
        assert row is not None
        assert tables.merge(entity, [row]).fetched == 1

    merge_it()
