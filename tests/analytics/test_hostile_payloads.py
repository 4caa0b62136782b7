"""Payloads that nobody promised: the models build, the data-quality mart names what is odd, and the KPIs stay right."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import Models
from tests.analytics.oracle.compare import as_table, differences
from tests.analytics.oracle.kpis import KEYS, kpis
from tests.factories import rows

ACCOUNT = 59808


@pytest.fixture(scope="module")
def accounts(new_database: Callable[[], str], target: Path) -> Iterator[Accounts]:
    url = new_database()
    with opened(url, f"{ACCOUNT}:6:90", seed=5) as found:
        _make_hostile(found)
        found.sync(ACCOUNT)
        Models(url, target).build()
        yield found


def _make_hostile(accounts: Accounts) -> None:
    """Stays over New Year, a leap day and the clock change are moved to a time when their homes are free."""
    account = accounts.all[ACCOUNT]
    sold = [key for key, row in account.reservations.items() if row.own["status"] == "new"]
    changes = [
        {"somethingNew": {"deep": [1]}},
        {"totalPrice": {"amount": 5}},
        {"numberOfGuests": "many"},
        {"status": "neverHeardOf"},
        {"isDatesUnspecified": 1},
        {"currency": None},
        {"arrivalDate": "not a date"},
        {"arrivalDate": "2026-12-30", "departureDate": "2027-01-03", "nights": 4},
        {"arrivalDate": "2028-02-28", "departureDate": "2028-03-01", "nights": 2},
        {"arrivalDate": "2027-03-26", "departureDate": "2027-03-29", "nights": 3},
        {"arrivalDate": "2027-05-03", "departureDate": "2027-05-01", "nights": -2},
        {"arrivalDate": "2027-05-01", "departureDate": "2031-05-01", "nights": 1461},
        {"listingMapId": 77},
        {"financeField": None},
        {"reservationUnit": []},
        {"channelId": 4711, "channelName": None},
    ]
    for key, change in zip(sold, changes, strict=False):
        account.update_reservation(key, **change)
    listing = next(iter(account.listings))
    account.update_listing(listing, timeZoneName="Mars/Olympus")


def test_the_kpis_are_right(accounts, target):
    models, expected = Models(accounts.url, target), kpis(accounts.source(ACCOUNT))
    wrong: list[str] = []
    for name in KEYS:
        found = as_table(name, models.records(f"SELECT * FROM marts.{name}"))
        assert len(found) > 10, name
        wrong += differences(name, expected[name], found)
    assert wrong == [], f"{len(wrong)} differences, such as\n" + "\n".join(wrong[:20])


@pytest.mark.parametrize(
    "rule",
    [
        "unknown_key",
        "unreadable_value",
        "unknown_status",
        "dates_unspecified",
        "dates_missing_or_reversed",
        "stay_too_long",
        "booking_without_listing",
        "unknown_channel",
        "invalid_time_zone",
        "supply_assumed",
    ],
)
def test_the_data_quality_mart_names_it(accounts, rule):
    found = rows(accounts.url, "SELECT rows_affected, examples FROM marts.mart_data_quality WHERE rule = %s", rule)
    assert [(row["rows_affected"] > 0, bool(row["examples"])) for row in found] == [(True, True)]


def test_currencies_without_minor_units_and_with_three_are_shared_to_the_last_one(accounts):
    query = "SELECT currency, max(scale(rent)) AS decimals FROM marts.fct_reservation_nights GROUP BY currency"
    found = {row["currency"]: row["decimals"] for row in rows(accounts.url, query)}
    assert found["JPY"] == 0
    assert found["KWD"] == 3
    assert found["USD"] == 2
