"""Stays that move: which ones, to which nights, at what price. No night sold twice: test_market_changes.py."""

from datetime import UTC, date, datetime
from random import Random

import pytest

from hostaway_pipeline.sandbox.world.listing_calendar import calendar
from hostaway_pipeline.sandbox.world.moves import move
from tests.sandbox import market
from tests.sandbox.market import ICAL, TAKING
from tests.waiting import wait_until

FOLLOWS = {
    "arrivalDate", "departureDate", "nights", "previousArrivalDate", "previousDepartureDate", "status", "updatedOn",
    "latestActivityOn", "totalPrice", "taxAmount", "channelCommissionAmount", "financeField",
}  # fmt: skip


def present():
    return str(datetime.now(UTC).date())


@pytest.fixture
def account():
    """An account whose bookings reach up to the present."""
    return market.account_of("59808:7:787", today=present())


@pytest.fixture(scope="module")
def moved():
    """Such an account after many moves; no test changes it."""
    return market.account_of("59808:7:787", today=present())


@pytest.fixture(scope="module")
def pairs(moved):
    """The reservations that moved, each as it was before and after."""
    pairs, rng = [], Random(1)
    known = {row["id"]: row for row in moved.truth("reservations")}

    def look(_, event):
        pairs.append((known[event.data["id"]], event.data))
        known[event.data["id"]] = event.data

    moved.on_event = look
    for _ in range(500):
        move(moved, rng.choice(list(moved.listings)), rng)
    assert len(pairs) > 300
    return pairs


def sum_of_nights(account, row):
    """What the nights of a stay cost by the calendar."""
    first, last = (date.fromisoformat(row[key]).toordinal() for key in ("arrivalDate", "departureDate"))
    days = calendar(account, row["listingMapId"], first, last - 1, with_resources=False)
    return sum(one["price"] for one in days)


def test_only_stays_that_end_after_today_move_and_only_to_such_nights(moved, pairs):
    for before, after in pairs:
        assert before["status"] in TAKING
        assert min(before["departureDate"], after["departureDate"]) > present()
        assert (before["arrivalDate"], before["departureDate"]) != (after["arrivalDate"], after["departureDate"])
        assert after["nights"] == len(list(market.nights_of(after))) > 0
        assert after["arrivalDate"] >= min(before["arrivalDate"], present())
    assert market.overbooked(moved) == []
    assert max(market.unit_nights(moved).values()) == 1


def test_guests_who_have_arrived_keep_their_arrival(pairs):
    stayed = [pair for pair in pairs if pair[0]["arrivalDate"] <= present()]
    assert stayed
    assert [after["arrivalDate"] for _, after in stayed] == [before["arrivalDate"] for before, _ in stayed]


def test_stays_become_longer_and_shorter_earlier_and_later(pairs):
    assert {-1, 0, 1} <= {after["nights"] - before["nights"] for before, after in pairs}
    directions = {(after["arrivalDate"] > before["arrivalDate"]) for before, after in pairs}
    assert directions == {True, False}


def test_a_moved_stay_is_modified_and_active_and_knows_its_earlier_dates(pairs):
    for before, after in pairs:
        assert {key for key in after if after[key] != before.get(key)} <= FOLLOWS
        assert after["status"] == ("modified" if before["status"] == "new" else before["status"])
        assert after["previousArrivalDate"] == before["arrivalDate"]
        assert after["previousDepartureDate"] == before["departureDate"]
        assert after["updatedOn"] == after["latestActivityOn"] > before["updatedOn"]


def test_the_price_follows_the_nights_and_keeps_the_luck_of_the_draw(moved, pairs):
    compared = 0
    for before, after in pairs:
        rates = [line for row in (before, after) for line in market.lines(row, "baseRate")]
        if len(rates) == 2 and rates[0]["total"]:
            luck, kept = (
                line["total"] / sum_of_nights(moved, row) for line, row in zip(rates, (before, after), strict=True)
            )
            assert kept == pytest.approx(luck, rel=0.002)
            assert (after["channelCommissionAmount"] is None) == (before["channelCommissionAmount"] is None)
            compared += 1
    assert compared > 50
    assert market.wrong_totals(moved) == []


def test_a_changed_base_rate_moves_along(account):
    booking = next(row for row in account.truth("reservations") if market.is_plain(row) and row["nights"] < 7)
    account.reservations[booking["id"]].own["financeField"] = [
        line | {"total": line["total"] * 3} if line["name"] == "baseRate" else line for line in booking["financeField"]
    ]
    others = [key for key in account.reservations if key != booking["id"]]
    for key in others:
        account.update_reservation(key, status="cancelled")
    start = datetime.now(UTC).date().toordinal() + 5
    place = {"arrivalDate": str(date.fromordinal(start)), "departureDate": str(date.fromordinal(start + 3))}
    before = account.update_reservation(booking["id"], **place, nights=3)
    assert move(account, booking["listingMapId"], Random(3))
    after = account.reservations[booking["id"]].payload()
    rates = [market.lines(row, "baseRate")[0]["total"] / sum_of_nights(account, row) for row in (before, after)]
    assert rates[1] == pytest.approx(rates[0], rel=0.002)


def test_a_stay_without_a_price_moves_without_one(pairs):
    bare = [pair for pair in pairs if pair[0]["channelId"] == ICAL or pair[0]["status"] == "ownerStay"]
    assert bare
    for before, after in bare:
        assert (before["totalPrice"], after["totalPrice"], after["financeField"]) == (None, None, [])


def test_no_stay_moves_where_none_is_coming(account):
    [archived] = [row["id"] for row in account.truth("listings") if row["specialStatus"]]
    before = market.reservations(account)
    assert not move(account, archived, Random(1))
    assert market.reservations(account) == before


def test_a_deleted_stay_does_not_move(account):
    for key in list(account.reservations):
        account.delete_reservation(key)
    assert not any(move(account, listing_id, Random(1)) for listing_id in account.listings)


def test_the_calendar_and_the_webhooks_follow_a_move(start_hooked, receiver):
    api = start_hooked(spec="59808:7:787", today=present())
    account, rng = api.account, Random(2)
    single = [key for key, home in account.nights.homes.items() if key in account.listings and home.units == 1]
    wait_until(lambda: move(account, rng.choice(single), rng))
    wait_until(lambda: receiver.deliveries)
    [delivery] = receiver.payloads
    moved = delivery["data"]
    assert (delivery["event"], moved["arrivalDate"] != moved["previousArrivalDate"]) == ("reservation.updated", True)
    days = api.result(
        f"/listings/{moved['listingMapId']}/calendar",
        startDate=min(moved["arrivalDate"], moved["previousArrivalDate"]),
        endDate=max(moved["departureDate"], moved["previousDepartureDate"]),
    )
    taken = market.taken_nights(account)
    for one in days:
        assert (one["status"] == "reserved") == bool(taken[moved["listingMapId"], date.fromisoformat(one["date"])])
    assert {str(night) for night in market.nights_of(moved)} <= {
        one["date"] for one in days if one["status"] == "reserved"
    }
