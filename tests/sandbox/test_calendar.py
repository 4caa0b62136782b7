"""Tests that a listing's calendar agrees with its reservations, and that its route is as strict as the others."""

from collections import Counter, defaultdict
from datetime import date, timedelta

import pytest

from tests.sandbox import market
from tests.sandbox.market import TAKING, TODAY

YEAR = {"startDate": str(TODAY - timedelta(365)), "endDate": str(TODAY + timedelta(200))}
KEYS = {
    "id", "date", "isAvailable", "isProcessed", "status", "price", "minimumStay", "maximumStay", "closedOnArrival",
    "closedOnDeparture", "note", "countAvailableUnits", "availableUnitsToSell", "countPendingUnits",
    "countBlockingReservations", "countBlockedUnits", "desiredUnitsToSell", "reservations",
}  # fmt: skip


@pytest.fixture(scope="module")
def calendars(api):
    """Every listing's days of a year and a half."""
    return {listing_id: api.result(f"/listings/{listing_id}/calendar", **YEAR) for listing_id in api.account.listings}


@pytest.fixture(scope="module")
def units(api):
    return market.capacity(api.account)


@pytest.fixture(scope="module")
def taken(api):
    return market.taken_nights(api.account)


def days_of(calendars, units, *, several):
    for listing_id, days in calendars.items():
        for one in days:
            if (units[listing_id] > 1) == several:
                yield listing_id, date.fromisoformat(one["date"]), one


def test_a_range_is_one_object_a_day_with_both_ends(api):
    listing_id = next(iter(api.account.listings))
    days = api.result(f"/listings/{listing_id}/calendar", startDate="2026-02-27", endDate="2026-03-02")
    assert [one["date"] for one in days] == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    assert {frozenset(one) for one in days} == {frozenset(KEYS)}


def test_ids_are_unique(calendars):
    ids = [one["id"] for days in calendars.values() for one in days]
    assert len(ids) == len(set(ids))


def test_a_taken_night_is_reserved_and_a_free_one_is_not(calendars, units, taken):
    for listing_id, day, one in days_of(calendars, units, several=False):
        assert (one["status"] == "reserved") == (taken[listing_id, day] == 1)
        assert one["isAvailable"] == (one["status"] == "available")


def test_every_status_occurs(calendars):
    statuses = Counter(one["status"] for days in calendars.values() for one in days)
    assert set(statuses) == {"available", "reserved", "blocked", "pending"}
    past = Counter(one["status"] for days in calendars.values() for one in days if one["date"] < str(TODAY))
    assert past["reserved"] > past["available"] > past["blocked"] > 0


def test_units_add_up(calendars, units, taken):
    found = list(days_of(calendars, units, several=True))
    assert found
    for listing_id, day, one in found:
        left = units[listing_id] - taken[listing_id, day] - one["countBlockedUnits"]
        assert one["countAvailableUnits"] == units[listing_id]
        assert one["availableUnitsToSell"] == max(0, left - one["countPendingUnits"])
        assert one["isAvailable"] == (one["availableUnitsToSell"] > 0)


def test_only_listings_with_several_units_count_them(calendars, units):
    for _, _, one in days_of(calendars, units, several=False):
        assert (one["countAvailableUnits"], one["availableUnitsToSell"], one["countBlockedUnits"]) == (None, None, None)


def test_a_day_names_its_reservations(api, calendars):
    """Reservations that take the night or are tentative; without their nested lists."""
    expected = defaultdict(set)
    for row in market.reservations(api.account):
        if row["status"] in TAKING | {"pending", "unconfirmed"}:
            for night in market.nights_of(row):
                expected[row["listingMapId"], str(night)].add(row["id"])
    for listing_id, days in calendars.items():
        for one in days:
            assert {row["id"] for row in one["reservations"]} == expected[listing_id, one["date"]]
            assert not any("financeField" in row for row in one["reservations"])


def test_blocked_nights_are_not_sold(calendars, units, taken):
    for listing_id, day, one in days_of(calendars, units, several=False):
        if one["status"] == "blocked":
            assert (taken[listing_id, day], one["note"]) == (0, "Maintenance")
            assert not any(row["status"] in TAKING for row in one["reservations"])


def test_prices_follow_the_season_and_the_weekday(calendars):
    days = next(iter(calendars.values()))
    price = {one["date"]: one["price"] for one in days}
    assert price["2026-07-25"] > price["2026-01-24"]
    assert price["2026-07-25"] > price["2026-07-27"]


def test_without_resources_there_are_no_reservations(api):
    listing_id = next(iter(api.account.listings))
    days = api.result(f"/listings/{listing_id}/calendar", includeResources=0, **YEAR)
    assert not any(one["reservations"] for one in days)


def test_without_dates_it_is_a_month_from_today(api):
    days = api.result(f"/listings/{next(iter(api.account.listings))}/calendar")
    assert (days[0]["date"], len(days)) == (str(TODAY), 31)


@pytest.mark.parametrize(
    "query",
    [{"startDate": "yesterday"}, {"endDate": "2026-13-01"}, {"startDate": "2026-02-02", "endDate": "2026-02-01"},
     {"startDate": "0001-01-01", "endDate": "2026-01-01"}],
)  # fmt: skip
def test_an_impossible_range_is_400(api, query):
    assert api.get(f"/listings/{next(iter(api.account.listings))}/calendar", **query).status_code == 400


def test_an_unknown_listing_is_404(api):
    assert api.get("/listings/1/calendar").status_code == 404


def test_limits_faults_and_tokens_apply(start):
    api = start()
    path = f"/listings/{next(iter(api.account.listings))}/calendar"
    api.server.counters.reset()
    assert api.get(path).status_code == 200
    assert api.server.counters.calls() == {"/v1/listings/{id}/calendar": 1}
    api.server.limits.update(account=0)
    assert api.get(path).status_code == 429
    api.server.limits.update(account=None)
    api.server.faults.down = True
    assert api.get(path).status_code == 503
    api.server.faults.down = False
    api.http.headers["Authorization"] = "Bearer wrong"
    assert api.get(path).status_code == 403


def test_a_new_booking_shows(start):
    api = start()
    added = api.account.add_reservation()
    path, night = f"/listings/{added['listingMapId']}/calendar", added["arrivalDate"]
    [one] = api.result(path, startDate=night, endDate=night)
    assert (one["status"], [row["id"] for row in one["reservations"]]) == ("reserved", [added["id"]])
    api.account.delete_reservation(added["id"])
    assert api.result(path, startDate=night, endDate=night)[0]["status"] == "available"


def test_odd_days_are_left_out_changed_or_replaced(start):
    api = start()
    path = f"/listings/{next(iter(api.account.listings))}/calendar"
    asked = {"startDate": "2026-07-01", "endDate": "2026-07-04"}
    right = api.result(path, **asked)
    api.server.faults.odd_days = {"2026-07-01": None, "2026-07-02": {"price": "1"}, "2026-07-03": 7}
    assert api.result(path, **asked) == [right[1] | {"price": "1"}, 7, right[3]]


# Finance lines


def test_finance_lines_of_one_reservation(api):
    row = next(row for row in market.reservations(api.account) if market.is_plain(row))
    assert api.result(f"/financeField/{row['id']}") == row["financeField"]
    assert api.get("/financeField/1").status_code == 404


def test_lists_can_lack_the_finance_lines(start):
    """Single objects and events still carry them."""
    api = start()
    api.server.faults.lists_lack = {"financeField"}
    listed = api.result("/reservations", limit=500)
    assert not any("financeField" in row for row in listed)
    assert any(api.result(f"/reservations/{row['id']}")["financeField"] for row in listed)
