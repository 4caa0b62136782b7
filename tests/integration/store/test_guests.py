"""A returning guest keeps the same random id, whatever identifies the guest; guests of accounts are apart."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.domain.guests import Identifier
from hostaway_pipeline.store.accounts.removal import delete_account
from hostaway_pipeline.store.copy.guests import resolve_guests
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database, driver
from tests.factories import reservation, rows

EMAIL, PHONE = "ann@example.com", "+49 30 1234567"


@pytest.fixture
def tables(database: Database, database_url: str) -> PullWriter:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1), (2) RETURNING 1")
    return PullWriter(database, Owner(1, UUID(int=7)))


def guest(**changes: Any) -> dict[str, Any]:
    """Who is told by a reservation."""
    return {"guestEmail": None, "phone": None, "guestExternalAccountId": None, **changes}


def merged(tables: PullWriter, *guests: dict[str, Any]) -> None:
    """Reservations 1, 2, … of these guests, in one page."""
    payloads = [reservation(number, **{"channelId": 2018, **told}) for number, told in enumerate(guests, start=1)]
    tables.merge(RESERVATIONS, [row for payload in payloads if (row := RESERVATIONS.row(payload)) is not None])


def ids(url: str, account_id: int = 1) -> list[UUID | None]:
    found = rows(url, "SELECT guest_id FROM hostaway.reservations WHERE account_id = %s ORDER BY id", account_id)
    return [row["guest_id"] for row in found]


@pytest.mark.parametrize("in_one_page", [True, False])
@pytest.mark.parametrize(
    ("first", "again"),
    [
        (guest(guestEmail=EMAIL), guest(guestEmail=f" {EMAIL.upper()} ")),
        (guest(phone=PHONE), guest(phone="49301234567")),
        (guest(guestExternalAccountId="g1"), guest(guestExternalAccountId="g1", guestEmail=EMAIL)),
        (guest(guestExternalAccountId="g1", phone=PHONE), guest(guestEmail=EMAIL, phone=PHONE)),
    ],
)
def test_a_guest_is_recognised(
    tables: PullWriter, database_url: str, first: dict[str, Any], again: dict[str, Any], in_one_page: bool
) -> None:
    if not in_one_page:
        merged(tables, first)
    merged(tables, first, again)
    one, two = ids(database_url)
    assert one is not None
    assert one == two


def test_nobody_is_recognised_without_identifiers(tables: PullWriter, database_url: str) -> None:
    merged(tables, guest(), guest(guestEmail="unknown", phone="123"), guest(guestEmail=EMAIL), guest(phone=PHONE))
    nobody, neither, ann, bob = ids(database_url)
    assert (nobody, neither) == (None, None)
    assert ann != bob


def test_the_channels_id_decides_before_the_address(tables: PullWriter, database_url: str) -> None:
    """A family shares an address; the channel knows its members apart."""
    merged(tables, guest(guestExternalAccountId="g1"), guest(guestEmail=EMAIL))
    merged(
        tables,
        guest(guestExternalAccountId="g1"),
        guest(guestEmail=EMAIL),
        guest(guestExternalAccountId="g1", guestEmail=EMAIL),
    )
    one, two, both = ids(database_url)
    assert both == one != two


def test_an_address_stays_that_of_its_first_guest_within_a_page(tables: PullWriter, database_url: str) -> None:
    """The second reservation, of a guest who is known by the channel's id, names the address of the first."""
    known = guest(guestExternalAccountId="g1")
    merged(tables, known)
    merged(tables, known, guest(guestEmail=EMAIL), known | {"guestEmail": EMAIL}, guest(guestEmail=EMAIL))
    channel, first, both, again = ids(database_url)
    assert both == channel != first
    assert again == first
    merged(tables, known, guest(), known, guest(guestEmail=EMAIL) | {"updatedOn": "2026-06-09 10:00:00", "status": "x"})
    assert ids(database_url)[3] == first


def test_who_names_nobody_is_no_guest(tables: PullWriter, database: Database, database_url: str) -> None:
    named = {1: [], 2: [Identifier("email", EMAIL)], 3: []}
    found = database.run(lambda connection: resolve_guests(driver(connection).cursor(), 1, named))
    assert list(found) == [2]
    assert database.run(lambda connection: resolve_guests(driver(connection).cursor(), 1, {1: []})) == {}


def test_the_same_id_of_another_channel_is_another_guest(tables: PullWriter, database_url: str) -> None:
    merged(tables, guest(guestExternalAccountId="g1"), guest(guestExternalAccountId="g1") | {"channelId": 2005})
    one, two = ids(database_url)
    assert one != two


def test_a_changed_reservation_keeps_its_guest(tables: PullWriter, database_url: str) -> None:
    merged(tables, guest(guestEmail=EMAIL, phone=PHONE))
    before = ids(database_url)
    for told in (
        guest(guestEmail=EMAIL, phone=PHONE) | {"status": "cancelled"},
        guest(guestEmail="a@b.c", phone=PHONE),
    ):
        merged(tables, told | {"updatedOn": "2026-06-09 10:00:00"})
        assert ids(database_url) == before
    merged(tables, guest(guestEmail="a@b.c") | {"updatedOn": "2026-06-09 10:00:00"})
    assert ids(database_url) == before, "by the address that was added"


def test_other_identifiers_are_another_guest_and_none_is_nobody(tables: PullWriter, database_url: str) -> None:
    merged(tables, guest(guestEmail=EMAIL))
    before = ids(database_url)
    merged(tables, guest(guestEmail="bob@example.com"))
    assert ids(database_url) != before
    merged(tables, guest())
    assert ids(database_url) == [None]


def test_guests_of_accounts_are_apart(tables: PullWriter, database: Database, database_url: str) -> None:
    merged(tables, guest(guestEmail=EMAIL))
    merged(PullWriter(database, Owner(2, UUID(int=8))), guest(guestEmail=EMAIL))
    assert ids(database_url, 1) != ids(database_url, 2)


def test_a_deleted_account_takes_its_guests_and_lines_with_it(
    tables: PullWriter, database: Database, database_url: str
) -> None:
    told = guest(guestEmail=EMAIL) | {"financeField": [{"name": "baseRate"}], "somethingNew": 1}
    merged(tables, told)
    merged(PullWriter(database, Owner(2, UUID(int=8))), told)
    delete_account(database, 1)
    for table in ("guests", "reservation_finance_lines", "payload_findings"):
        assert rows(database_url, f"SELECT DISTINCT account_id FROM hostaway.{table}") == [{"account_id": 2}]


def test_merges_at_once_agree_on_the_guest(tables: PullWriter, database: Database, database_url: str) -> None:
    """Each names the guests in another order, and adds what the other is adding."""
    people = [Identifier("email", f"{number}@example.com") for number in range(40)]
    phones = [Identifier("phone", f"0000{number:04}") for number in range(40)]

    def resolve(turn: int) -> dict[int, UUID]:
        order = range(40) if turn % 2 else range(39, -1, -1)
        named = {number: [people[number], phones[number]][:: 1 if turn % 3 else -1] for number in order}
        return database.run(lambda connection: resolve_guests(driver(connection).cursor(), 1, named))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(resolve, range(12)))
    assert all(guests == found[0] for guests in found)
    kept = rows(database_url, "SELECT count(*) AS identifiers, count(DISTINCT guest_id) AS guests FROM hostaway.guests")
    assert kept == [{"identifiers": 80, "guests": 40}]
