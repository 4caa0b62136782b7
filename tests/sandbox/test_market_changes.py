"""The rules of test_market.py after changes: traffic and drift double-book no night, and totals match their lines."""

from datetime import timedelta
from random import Random

import pytest

from hostaway_pipeline.sandbox.world.drift import Drift
from hostaway_pipeline.sandbox.world.traffic import change
from tests.sandbox import market
from tests.sandbox.market import SOLD, TAKING, day

SPECS = [("59808:7:787", 1), ("3:12:2000", 3), ("4:3:40", 2), ("6:0:30", 1)]


@pytest.fixture(params=SPECS, ids=str)
def busy(request):
    """An account after a thousand changes by guests and hosts."""
    account = market.account_of(*request.param)
    rng = Random(request.param[1])
    for _ in range(1000):
        change(account, rng)
    return account


@pytest.fixture
def account():
    return market.account_of("59808:7:787")


def test_traffic_sells_no_night_twice(busy):
    assert market.overbooked(busy) == []
    assert max(market.unit_nights(busy).values(), default=1) == 1


def test_totals_still_match_their_lines(busy):
    assert market.wrong_totals(busy) == []


def test_new_bookings_take_nights_in_the_currency_of_their_listing(busy):
    currency = {row["id"]: row["currencyCode"] for row in busy.truth("listings")}
    added = list(market.reservations(busy))[-50:]
    for row in added:
        assert row["nights"] == (day(row["departureDate"]) - day(row["arrivalDate"])).days > 0
        assert row["currency"] == currency.get(row["listingMapId"], row["currency"])
        assert row["arrivalDate"] >= row["insertedOn"][:10]


def test_cancellation_dates_follow_the_status(busy):
    for row in market.reservations(busy):
        assert (row["status"] == "cancelled") == bool(row["cancellationDate"])
        if row["status"] == "ownerStay":
            assert not row["totalPrice"]


def test_repriced_lines_have_the_digits_of_their_currency(busy):
    for row in market.reservations(busy):
        amounts = [row["totalPrice"] or 0, *(line["total"] for line in row["financeField"])]
        assert all(market.minor(row, amount) % 1 == 0 for amount in amounts)


def test_an_archived_listing_sells_nothing_any_more(busy):
    archived = {row["id"]: row["latestActivityOn"] for row in busy.truth("listings") if row["specialStatus"]}
    for row in market.reservations(busy):
        if row["listingMapId"] in archived and row["status"] in TAKING:
            assert row["departureDate"] <= archived[row["listingMapId"]][:10]


def test_no_night_after_the_end_of_an_archived_listing_is_free(account):
    [archived] = [row for row in account.truth("listings") if row["specialStatus"]]
    ended = day(archived["latestActivityOn"])
    for nights, is_free in ((-1, True), (1, False)):
        first, last = sorted((ended, ended + timedelta(nights)))
        place = {"listingMapId": archived["id"], "arrivalDate": str(first), "departureDate": str(last)}
        for row in market.reservations(account):
            if row["arrivalDate"] < str(last) and row["departureDate"] > str(first):
                account.update_reservation(row["id"], status="cancelled")
        waiting = account.add_reservation(status="inquiry", **place)
        assert account.nights.can_take(account.reservations[waiting["id"]]) == is_free


def test_drift_sells_no_night_twice(account):
    drift = Drift(1)
    for _ in range(300):
        drift.count_list(account, every=1)
    assert market.overbooked(account) == []
    assert market.wrong_totals(account) == []


def test_a_deleted_reservation_keeps_its_nights_until_it_is_restored(account):
    listing_id = next(row["id"] for row in account.truth("listings") if not row["specialStatus"])
    gone = [row["id"] for row in market.reservations(account) if row["listingMapId"] == listing_id]
    for reservation_id in gone:
        account.delete_reservation(reservation_id)
    for _ in range(40):
        account.add_reservation(listingMapId=listing_id)
    for reservation_id in gone:
        account.restore_reservation(reservation_id)
    assert market.overbooked(account) == []


def test_many_additions_find_room(account):
    for _ in range(300):
        account.add_reservation()
    assert market.overbooked(account) == []
    assert len(account.reservations) == 1087


def test_given_dates_and_a_given_total_are_kept(account):
    added = account.add_reservation(arrivalDate="2031-01-01", departureDate="2031-01-04", totalPrice=99.5)
    assert (added["nights"], added["totalPrice"], market.included(added)) == (3, 99.5, 9950)
    assert account.add_reservation(totalPrice=None)["financeField"] == []


def test_cancelled_nights_are_sold_again():
    account = market.account_of("5:1:300")
    listing_id = next(iter(account.listings))
    first = account.add_reservation(listingMapId=listing_id)
    place = {"arrivalDate": first["arrivalDate"], "departureDate": first["departureDate"]}
    nights = account.nights
    booking = account.reservations[first["id"]]
    waiting = account.add_reservation(listingMapId=listing_id, status="inquiry", **place)
    assert not nights.can_take(account.reservations[waiting["id"]])
    account.update_reservation(first["id"], status="cancelled")
    assert nights.can_take(account.reservations[waiting["id"]])
    assert booking.own["status"] not in SOLD
