"""Rows of an older version get the values that a merge would have given them, and nothing else moves."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import orjson
import psycopg
import pytest
from alembic import command
from alembic.config import Config

from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.payloads import content_hash
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate
from tests.factories import add_account, assert_equal_to_source, rows, synced

ONE, TWO = 59808, 59809
LINES = "SELECT * FROM hostaway.reservation_finance_lines ORDER BY account_id, reservation_id, line_no"


@pytest.fixture
def sandbox(open_sandbox: Callable[..., SandboxServer]) -> SandboxServer:
    return open_sandbox(f"{ONE}:12:700", f"{TWO}:2:20")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: Callable[..., Services]) -> Services:
    opened = open_services(sandbox)
    for account_id in (ONE, TWO):
        add_account(opened, account_id)
        synced(opened, account_id)
    return opened


def test_stored_rows_are_filled_as_a_merge_fills_them(
    services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    before, lines, guests = stored(database_url), rows(database_url, LINES), same_guests(database_url)
    assert len(lines) > 1000
    as_version_ten(database_url)
    database = Database(database_url)
    migrate(database)
    database.dispose()

    assert stored(database_url) == before
    assert rows(database_url, LINES) == lines
    assert same_guests(database_url) == guests
    for account_id in (ONE, TWO):
        report = synced(services, account_id, mode="reconcile")
        assert {name: counts.changed for name, counts in report.entities.items()} == dict.fromkeys(ENTITIES, 0)
        assert_equal_to_source(database_url, sandbox, account_id)
    assert stored(database_url) == before


@pytest.mark.usefixtures("services")
def test_values_that_cannot_be_read_stop_no_upgrade(database_url: str) -> None:
    as_version_ten(database_url)
    hostile = {"id": "x", "phone": {}, "adults": [], "financeField": [5, {"total": "many"}], "guestEmail": "@" * 3000,
               "reservationUnit": "two", "isDatesUnspecified": "maybe", "cancellationDate": "0000-00-00"}  # fmt: skip
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE hostaway.reservations SET raw_payload = %s", (orjson.dumps(hostile).decode(),))
        connection.execute(
            """UPDATE hostaway.listings SET raw_payload = '{"listingUnits": [{"listingMapIdUnit": []}]}'"""
        )
        connection.execute("UPDATE hostaway.messages SET raw_payload = '{}'")
    database = Database(database_url)
    migrate(database)
    database.dispose()
    found = rows(
        database_url, "SELECT DISTINCT guest_id, adults, unit_count, is_dates_unspecified FROM hostaway.reservations"
    )
    assert found == [{"guest_id": None, "adults": None, "unit_count": None, "is_dates_unspecified": None}]


def as_version_ten(url: str) -> None:
    """Go down, and give reservations whose dates are not specified the hash that they had."""
    database = Database(url)
    with database.transaction() as connection:
        config = Config()
        config.set_main_option("script_location", "hostaway_pipeline/store/migrations")
        config.attributes["connection"] = connection
        command.downgrade(config, "0010")
    database.dispose()
    query = "SELECT account_id, id, raw_payload FROM hostaway.reservations"
    unspecified = rows(url, f"{query} WHERE raw_payload->>'isDatesUnspecified' = '1'")
    assert unspecified
    with psycopg.connect(url) as connection:
        for row in unspecified:
            old = content_hash(row["raw_payload"] | {"isDatesUnspecified": 0}, ENTITIES["reservations"].optional)
            statement = "UPDATE hostaway.reservations SET content_hash = %s WHERE account_id = %s AND id = %s"
            assert connection.execute(statement, (old, row["account_id"], row["id"])).rowcount == 1


def stored(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every column but the guest, whose id is random."""
    found = {name: rows(url, f"SELECT * FROM hostaway.{name} ORDER BY account_id, id") for name in ENTITIES}
    for row in found["reservations"]:
        row["guest_id"] = row["guest_id"] is not None
    return found


def same_guests(url: str) -> set[frozenset[tuple[int, int]]]:
    """The reservations of each guest."""
    guests = defaultdict(set)
    for row in rows(url, "SELECT account_id, id, guest_id FROM hostaway.reservations WHERE guest_id IS NOT NULL"):
        guests[row["guest_id"]].add((row["account_id"], row["id"]))
    return {frozenset(own) for own in guests.values()}
