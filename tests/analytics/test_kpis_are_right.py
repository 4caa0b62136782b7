"""Every KPI of three random accounts against the oracle, row by row, and the bookings and days that they sum over."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest

from hostaway_pipeline import frames
from tests.analytics.accounts import Accounts, opened
from tests.analytics.conftest import Models
from tests.analytics.oracle.bookings import bookings
from tests.analytics.oracle.compare import as_table, differences
from tests.analytics.oracle.kpis import KEYS, Table, kpis
from tests.analytics.oracle.reconciliation import reports
from tests.analytics.oracle.source import Rules
from tests.analytics.oracle.supply import listed_days
from tests.factories import choose_seed, rows


@pytest.fixture(scope="module")
def accounts(new_database: Callable[[], str], target: Path) -> Iterator[Accounts]:
    seed, url = choose_seed(), new_database()
    with opened(url, "59808:9:150", "59809:6:80", "59811:3:60", seed=seed) as found:
        for account_id in found.all:
            found.sync(account_id, calendar=account_id == 59808)
        _change(found)
        Models(url, target).build()
        yield found


def _change(accounts: Accounts) -> None:
    """One listing goes, one is archived, bookings are cancelled, move and are deleted; all of it is synced."""
    account = accounts.all[59809]
    gone, archived, *_ = account.listings
    accounts.delete_listing(account, gone)
    account.update_listing(archived, specialStatus="archived")
    first, second, third, fourth, *_ = [key for key, row in account.reservations.items() if row.own["status"] == "new"]
    account.update_reservation(first, status="cancelled")
    account.update_reservation(second, arrivalDate="2026-02-27", departureDate="2026-03-02", nights=3)
    account.update_reservation(third, status="modified", listingMapId=archived)
    account.delete_reservation(fourth)
    accounts.sync(account.id)


@pytest.mark.parametrize("account_id", [59808, 59809, 59811])
def test_bookings(accounts, account_id):
    found = frames.bookings(accounts.url, account_id=account_id)
    shown = {
        row["booking_id"]: tuple(
            None if found[name].isna()[place] else row[name]
            for name in ("property_id", "channel", "state", "nights", "units", "rent", "commission", "booked_on")
        )
        for place, row in found.iterrows()
    }
    wanted: dict[int, tuple[Any, ...]] = {
        b.id: (b.property_id, b.channel, b.state, b.nights, b.units, b.rent, b.commission, b.booked_on)
        for b in bookings(accounts.source(account_id))
    }
    shown = {key: (*row[:-1], row[-1].date() if row[-1] is not None else None) for key, row in shown.items()}
    assert {key: (shown.get(key), row) for key, row in wanted.items() if shown.get(key) != row} == {}, accounts.seed
    assert shown.keys() == wanted.keys(), accounts.seed


@pytest.mark.parametrize("account_id", [59808, 59809, 59811])
def test_listed_days(accounts, account_id):
    """From the first day to the last; a property that is still listed ends where the oracle's knowledge does."""
    source = accounts.source(account_id)
    made = bookings(source)
    days: dict[int, list[Any]] = {listing["id"]: [] for listing in source.listings}
    for listing_id, on in listed_days(source, made, []):
        days[listing_id].append(on)
    query = "SELECT property_id, listed_from, listed_to FROM core.property WHERE account_id = %s"
    found = {
        row["property_id"]: (row["listed_from"], row["listed_to"]) for row in rows(accounts.url, query, account_id)
    }
    ahead = accounts.today + timedelta(500)
    wanted = {
        key: (min(listed), max(listed) if max(listed) < ahead else None) for key, listed in days.items() if listed
    }
    assert found == wanted, accounts.seed


@pytest.mark.parametrize("account_id", [59808, 59809, 59811])
@pytest.mark.parametrize("table", KEYS)
def test_kpis(accounts, account_id, table):
    wanted = kpis(accounts.source(account_id))[table]
    assert len(wanted) > 10
    wrong = differences(table, wanted, _found(accounts, account_id, table))
    assert not wrong, "\n".join([f"seed {accounts.seed}, {len(wrong)} differences:", *wrong[:20]])


def test_every_kpi_table_has_an_oracle():
    others = {"kpi_pace", "kpi_conversion"}  # test_history.py
    assert {f"kpi_{name}" for name in get_args(frames.KpiTable)} == set(KEYS) | others


@pytest.mark.parametrize("account_id", [59808, 59809, 59811])
def test_reports_of_hostaway_are_rebuilt_and_explained(accounts, account_id):
    wanted = reports(accounts.source(account_id))
    totals = rows(accounts.url, "SELECT * FROM marts.rec_totals WHERE account_id = %s", account_id)
    theirs = {(row["report"], row["month"], row["unit"]): row["theirs"] for row in totals}
    known = {report for report, _, _ in wanted}
    assert len(known) >= 5
    assert {total: amount for total, amount in theirs.items() if amount and total[0] in known} == wanted, accounts.seed
    differences_of = """
        SELECT report, month, unit, sum(amount) AS amount FROM marts.rec_differences
        WHERE account_id = %s GROUP BY 1, 2, 3 HAVING sum(amount) <> 0
    """
    explained = {
        (row["report"], row["month"], row["unit"]): row["amount"]
        for row in rows(accounts.url, differences_of, account_id)
    }
    assert explained == {
        (row["report"], row["month"], row["unit"]): row["theirs"] - row["ours"]
        for row in totals
        if row["theirs"] != row["ours"]
    }, accounts.seed


@pytest.mark.parametrize(
    "wrong",
    [Rules(sold=frozenset({"new"})), Rules(rent_is_total=True), Rules(counts_departure=True)],
    ids=["modified is not sold", "totalPrice is rent", "the departure night counts"],
)
def test_a_wrong_oracle_is_noticed(accounts, wrong):
    mistaken = kpis(accounts.source(59808, rules=wrong))
    assert [name for name in KEYS if differences(name, mistaken[name], _found(accounts, 59808, name))] != []


def _found(accounts: Accounts, account_id: int, table: str) -> Table:
    name: Any = table.removeprefix("kpi_")
    frame = frames.kpis(name, accounts.url, account_id=account_id).astype(object)
    return as_table(
        table, [{str(key): _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
    )


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return value.date() if isinstance(value, pd.Timestamp) else value
