"""Superseded states of reservations and listings are kept: what makes a version, and from when to when it held."""

import random
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from hostaway_pipeline.domain.entities import LISTINGS, RESERVATIONS
from hostaway_pipeline.security.keyring import Keyring, generate_key
from hostaway_pipeline.store.accounts.accounts import Accounts
from hostaway_pipeline.store.copy.sweeps import mark_deleted
from hostaway_pipeline.store.database import Database
from tests.factories import reservation, rows
from tests.integration.store.version_steps import LINES, Put, at, instant, merge_into, versions_of

Versions = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def versions(url: str) -> Versions:
    return partial(versions_of, url)


def spans(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["status"], row["valid_from"], row["valid_to"], row["valid_to_source"]) for row in found]


def test_the_superseded_state_is_kept_from_its_start_to_its_end(put: Put, versions: Versions) -> None:
    put(reservation(updatedOn=at(1)))
    assert versions() == []
    put(reservation(updatedOn=at(2), status="modified", totalPrice=300, numberOfGuests=3))
    put(reservation(updatedOn=at(5), status="cancelled", cancellationDate="2026-06-02"))
    found = versions()
    assert spans(found) == [
        ("new", None, instant(2), "hostaway"),
        ("modified", instant(2), instant(5), "hostaway"),
    ]
    assert [(row["total_price"], row["number_of_guests"]) for row in found] == [(Decimal("211.62"), None), (300, 3)]
    assert {(row["source"], row["is_reconstructed"], row["is_deleted"]) for row in found} == {("copy", False, False)}
    assert all(datetime.now(UTC) - row["seen_at"] < timedelta(minutes=1) for row in found)


def test_what_is_not_versioned_makes_no_version(put: Put, versions: Versions) -> None:
    put(reservation(updatedOn=at(1)))
    changes: tuple[dict[str, Any], ...] = (
        {}, {"guestName": "Another"}, {"isPaid": True}, {"latestActivityOn": at(9)}, {"guestEmail": "a@b.example"},
        {"totalPrice": 211.620}, {"financeField": LINES},
    )  # fmt: skip
    for hour, change in enumerate(changes, start=2):
        put(reservation(updatedOn=at(hour), **change))
    assert versions() == []


def test_placeholders_of_unspecified_dates_make_no_version(put: Put, versions: Versions) -> None:
    put(reservation(updatedOn=at(1), isDatesUnspecified=1, arrivalDate="2026-06-01", guestName="A"))
    put(reservation(updatedOn=at(2), isDatesUnspecified=1, arrivalDate="2026-06-02", guestName="B"))
    assert versions() == []
    put(reservation(updatedOn=at(3), isDatesUnspecified=0, arrivalDate="2026-06-02", guestName="B"))
    assert [row["is_dates_unspecified"] for row in versions()] == [True]


def test_a_clock_that_cannot_be_right_gives_way_to_ours(put: Put, versions: Versions, url: str) -> None:
    """The same time as before, times before it, one ahead of ours, and none."""
    for number, clock in enumerate((at(1), at(0), at(0, day=1), "2999-01-01 00:00:00", None), start=1):
        put(reservation(number, updatedOn=at(1)))
        rows(url, "UPDATE hostaway.reservations SET read_at = now() - interval '1 hour' RETURNING 1")
        put(reservation(number, updatedOn=clock, status="modified"))
        [row] = versions(number)
        assert (row["valid_to"], row["valid_to_source"]) == (row["seen_at"], "seen"), clock


def test_after_a_time_of_ours_a_late_time_of_hostaways_gives_way(put: Put, versions: Versions, url: str) -> None:
    put(reservation(updatedOn=None))
    put(reservation(updatedOn=None, status="modified"))
    put(reservation(updatedOn=at(3), status="cancelled"))
    first, second = versions()
    assert (second["valid_from"], second["valid_to_source"]) == (first["valid_to"], "seen")
    assert second["valid_to"] == second["seen_at"] > first["valid_to"]


def test_updates_of_one_transaction_are_all_kept(put: Put, versions: Versions, database: Database) -> None:
    """They share now()."""
    put(reservation(updatedOn=at(1)))

    def change(connection: Connection) -> None:
        for status, clock in (("modified", at(2)), ("pending", at(3)), ("unknown", None), ("cancelled", None)):
            merge_into(connection, reservation(updatedOn=clock, status=status))

    database.run(change)
    found = versions()
    seen = found[0]["seen_at"]
    assert spans(found) == [
        ("new", None, instant(2), "hostaway"),
        ("modified", instant(2), instant(3), "hostaway"),
        ("pending", instant(3), seen, "seen"),
        ("unknown", seen, seen, "seen"),
    ]


def test_a_transaction_that_began_earlier_and_waited_leaves_no_overlap(
    put: Put, versions: Versions, database: Database
) -> None:
    put(reservation(updatedOn=None))
    with database.transaction() as connection:
        connection.exec_driver_sql("SELECT now()")
        time.sleep(0.01)
        put(reservation(updatedOn=None, status="modified"))
        merge_into(connection, reservation(updatedOn=None, status="cancelled"))
    first, second = versions()
    assert second["seen_at"] < first["valid_to"] == second["valid_from"] == second["valid_to"]


def test_a_tombstone_and_its_return_are_versions_by_our_time(put: Put, versions: Versions, database: Database) -> None:
    put(reservation(updatedOn=at(1)))
    asked = datetime.now(UTC)
    assert database.run(lambda connection: mark_deleted(connection, RESERVATIONS, 1, [1], asked)) == 1
    put(reservation(updatedOn=at(1)))
    living, deleted = versions()
    assert [(row["is_deleted"], row["valid_to_source"]) for row in (living, deleted)] == [
        (False, "seen"),
        (True, "seen"),
    ]
    assert (living["valid_to"], deleted["valid_from"], deleted["valid_to"]) == (
        living["seen_at"], living["seen_at"], deleted["seen_at"],
    )  # fmt: skip


def test_listings_have_versions(put: Put, url: str) -> None:
    def home(hour: int, **changes: Any) -> dict[str, Any]:
        return {"id": 40, "name": "Home", "price": 90, "latestActivityOn": at(hour), "listingUnits": [], **changes}

    put(home(1), entity=LISTINGS)
    put(home(2, address="not versioned"), entity=LISTINGS)
    put(home(3, price=100, listingUnits=[{"listingMapIdUnit": 7}]), entity=LISTINGS)
    put(home(4, price=100, listingUnits=[{"listingMapIdUnit": 7}], specialStatus="archived"), entity=LISTINGS)
    columns = "listing_id, price, unit_listing_ids, archived_at, is_deleted, valid_from, valid_to, valid_to_source"
    found = rows(url, f"SELECT {columns} FROM hostaway.listing_versions ORDER BY version_id")
    assert [tuple(row.values()) for row in found] == [
        (40, 90, None, None, False, None, instant(3), "hostaway"),
        (40, 100, [7], None, False, instant(3), instant(4), "hostaway"),
    ]


def test_versions_chain_up_whatever_changes_the_rows(url: str) -> None:
    """Each change of many rows at once, or of one row several times, in random transactions."""
    chance, log = random.Random(3), defaultdict[int, list[str]](list)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash, status) "
            "SELECT 1, n, gen_random_uuid(), '{}', '', 'new' FROM generate_series(1, 40) AS n"
        )
        for number in range(60):
            with connection.transaction():
                for step in range(chance.randint(1, 3)):
                    first, status = chance.randint(1, 40), f"{number}.{step}"
                    ids = [*range(first, min(41, first + chance.choice((1, 1, 40))))]
                    moved = chance.choice(("now()", "NULL", "source_updated_at", "now() - interval '1 day' * random()"))
                    statement = f"UPDATE hostaway.reservations SET status = %s, source_updated_at = {moved} "
                    connection.execute((statement + "WHERE id = ANY(%s)").encode(), (status, ids))
                    for object_id in ids:
                        log[object_id].append(status)
    for object_id, states in log.items():
        query = "SELECT * FROM hostaway.reservation_versions WHERE reservation_id = %s ORDER BY version_id"
        found = rows(url, query, object_id)
        assert [row["status"] for row in found] == ["new", *states[:-1]]
        assert [row["valid_from"] for row in found] == [None, *(row["valid_to"] for row in found[:-1])]
        assert all(row["valid_from"] is None or row["valid_from"] <= row["valid_to"] <= row["seen_at"] for row in found)


def test_an_update_of_many_rows_after_one_of_a_single_row_costs_no_more(url: str) -> None:
    """Postgres keeps the plan of the first: a plan for one row would compare each row with each, for a minute."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash) "
            "SELECT 1, n, gen_random_uuid(), '{}', '' FROM generate_series(1, 8000) AS n"
        )
        connection.execute("UPDATE hostaway.reservations SET status = 'a' WHERE id = 1")
        connection.execute("SET statement_timeout = '10s'")
        connection.execute("UPDATE hostaway.reservations SET status = 'b'")


def test_removal_of_an_account_takes_its_versions(put: Put, versions: Versions, url: str, database: Database) -> None:
    put(reservation(updatedOn=at(1)))
    put(reservation(updatedOn=at(2), status="modified"))
    rows(url, "INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash) "
         "VALUES (2, 1, gen_random_uuid(), '{}', '') RETURNING 1")  # fmt: skip
    rows(url, "UPDATE hostaway.reservations SET status = 'x' WHERE account_id = 2 RETURNING 1")
    Accounts(database, Keyring.parse(f"k:{generate_key()}")).remove(1, hard=True)
    assert versions() == []
    rows(url, "DELETE FROM hostaway.accounts RETURNING 1")
    assert rows(url, "SELECT 1 FROM hostaway.reservation_versions") == []
