"""Audit trails: undone from the present one, they give every state that there was; and faults of theirs."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from hostaway_pipeline.sandbox.world import moves, trails
from hostaway_pipeline.sandbox.world.past import traced
from hostaway_pipeline.sandbox.world.traffic import change
from tests.sandbox import market

KEYS = {
    "id", "reservationId", "listingMapId", "channelId", "source", "updatedField", "updatedFieldLabel", "previousValue",
    "newValue", "updatedByUserId", "updatedByUserName", "insertedOn", "updatedOn",
}  # fmt: skip
BESIDE = {"hostChannelFee", "guestChannelFee", "airbnbPayoutSum", "damageDeposit"}
"""Finance lines that are not part of the total."""


def served(account, reservation_id):
    booking = account.reservations[reservation_id]
    return trails.payloads(booking, account.trails.of(booking))


def texts(payload):
    """The fields of a reservation as trails spell them, without what is not set."""
    return {field: text for field, value in traced(payload).items() if (text := trails.text(value))}


def undone(payload, entries, moment=""):
    """What a reservation was at a moment by its trail, which must lead to what it is."""
    state = texts(payload)
    for entry in entries:
        if entry["insertedOn"] > moment:
            field = (entry["source"], entry["updatedField"])
            assert state.get(field, "") == entry["newValue"]
            state[field] = entry["previousValue"]
    return {field: text for field, text in state.items() if text}


def past(api, at, **query):
    answer = api.control(f"/accounts/59808/past?at={at}" + "".join(f"&{name}={value}" for name, value in query.items()))
    return {row["id"]: row for row in answer.json()}


@pytest.fixture
def account():
    return market.account_of("59808:7:200", today=str(datetime.now(UTC).date()))


def test_the_whole_trail_comes_without_a_count(api):
    answer = api.get(f"/reservations/{api.any_reservation()}/logs").json()
    assert (answer.keys(), answer["status"]) == ({"status", "result"}, "success")
    assert {frozenset(entry) for entry in answer["result"]} == {frozenset(KEYS)}


def test_a_page_comes_with_its_place_and_the_count(api):
    path = f"/reservations/{api.any_reservation()}/logs"
    whole, page, rest = api.result(path), api.get(path, limit=2, offset=1).json(), api.get(path, offset=3).json()
    assert (page["result"], page["count"], page["offset"], page["limit"]) == (whole[1:3], len(whole), 1, 2)
    assert (rest["result"], rest["count"], rest["offset"]) == (whole[3:], len(whole), 3)


def test_trails_begin_with_the_reservation_and_lead_to_what_it_is(any_account):
    for payload in market.reservations(any_account)[:300]:
        entries = served(any_account, payload["id"])
        assert undone(payload, entries).get(("reservation", "status")) is None
        times = [entry["insertedOn"] for entry in entries]
        assert times == sorted(times, reverse=True)
        assert (times[-1], times[0] <= payload["updatedOn"]) == (payload["insertedOn"], True)
        values = [entry[key] for entry in entries for key in ("previousValue", "newValue")]
        assert {type(value) for value in values} == {str}
        numbers = [(entry["source"], entry["id"]) for entry in entries]
        assert len(numbers) == len(set(numbers))


def test_trails_have_what_happens_to_bookings(account):
    """Cancellations, other dates, other prices, other guests, enquiries that were booked."""
    changed, booked = set(), 0
    for payload in market.reservations(account):
        entries = served(account, payload["id"])
        changed |= {entry["updatedField"] for entry in entries if entry["previousValue"]}
        statuses = {(e["previousValue"], e["newValue"]) for e in entries if e["updatedField"] == "status"}
        booked += ("inquiry", "new") in statuses
        assert payload["status"] != "cancelled" or {("new", "cancelled"), ("modified", "cancelled")} & statuses
    assert {"status", "arrivalDate", "departureDate", "totalPrice", "baseRate", "numberOfGuests"} <= changed
    assert booked


def test_past_totals_are_the_sum_of_their_lines(any_account):
    some = list(any_account.reservations.values())[:300]
    for days in (30, 300):
        for row in any_account.trails.states_at(f"{market.TODAY - timedelta(days)} 12:00:00", some):
            names = BESIDE if row["channelName"] == "expedia" else {*BESIDE, "totalPriceFromChannel"}
            included = [total for name, total in row["financeField"].items() if name not in names]
            assert sum(Decimal(str(total)) for total in included) == Decimal(str(row["totalPrice"] or 0))


def test_the_same_seed_gives_the_same_past():
    one, two, other = (market.account_of("7:3:50", seed=seed) for seed in (1, 1, 2))
    pasts = [[served(account, key) for key in account.reservations] for account in (one, two, other)]
    assert pasts[0] == pasts[1] != pasts[2]


def test_every_change_leaves_its_entries(account):
    """300 random changes: each state that there was can be read off the trail."""
    seen, rng = [], Random(4)
    account.on_event = lambda _, event: seen.append(event.data) if event.kind == "reservation" else None
    while len(seen) < 300:
        change(account, rng)
    for payload in seen:
        now = account.reservations[payload["id"]].payload()
        assert undone(now, served(account, payload["id"]), payload["updatedOn"]) == texts(payload)


def test_a_move_shows_its_dates_and_its_price(account):
    moved = []
    account.on_event = lambda _, event: moved.append(event.data)
    for listing_id in account.listings:
        moves.move(account, listing_id, Random(1))
    priced = [payload for payload in moved if payload["totalPrice"]]
    assert priced
    for payload in priced:
        newest = [e for e in served(account, payload["id"]) if e["insertedOn"] == payload["updatedOn"]]
        fields = {entry["updatedField"]: entry for entry in newest}
        assert fields["previousArrivalDate"]["newValue"] == payload["previousArrivalDate"]
        if payload["nights"] != market.nights_before(payload):
            assert {"totalPrice", "baseRate"} <= fields.keys()


def test_a_touch_leaves_no_entry(fresh):
    reservation_id = fresh.any_reservation()
    before = fresh.result(f"/reservations/{reservation_id}/logs")
    fresh.account.touch_reservation(reservation_id)
    assert fresh.result(f"/reservations/{reservation_id}/logs") == before


def test_a_new_reservation_has_a_trail_of_its_own(fresh):
    added = fresh.account.add_reservation(status="inquiry")
    entries = fresh.result(f"/reservations/{added['id']}/logs")
    assert {entry["insertedOn"] for entry in entries} == {added["insertedOn"]}
    assert ("status", "", "inquiry") in {(e["updatedField"], e["previousValue"], e["newValue"]) for e in entries}


@pytest.mark.parametrize("path", ["/reservations/1/logs", "/reservations/{}/logs"])
def test_an_unknown_or_deleted_reservation_has_no_trail(fresh, path):
    reservation_id = fresh.any_reservation()
    fresh.account.delete_reservation(reservation_id)
    assert fresh.get(path.format(reservation_id)).status_code == 404


def test_the_past_over_http_is_what_there_was(fresh):
    reservation_id = fresh.any_reservation()
    before = fresh.result(f"/reservations/{reservation_id}")
    changed = fresh.account.update_reservation(reservation_id, status="declined", totalPrice=1.5, financeField=[])
    second = datetime.fromisoformat(changed["updatedOn"])
    at_once, earlier = past(fresh, second), past(fresh, second - timedelta(seconds=1))
    assert (at_once[reservation_id]["status"], at_once[reservation_id]["totalPrice"]) == ("declined", 1.5)
    assert {key: earlier[reservation_id][key] for key in ("status", "totalPrice")} == {
        key: before[key] for key in ("status", "totalPrice")
    }
    assert earlier[reservation_id]["financeField"] == {
        line["name"]: line["total"] for line in before["financeField"] if not line["isDeleted"]
    }


def test_the_past_lacks_what_was_not_there(fresh):
    reservation_id, added = fresh.any_reservation(), fresh.account.add_reservation()
    inserted = datetime.fromisoformat(fresh.result(f"/reservations/{reservation_id}")["insertedOn"])
    assert reservation_id not in past(fresh, inserted - timedelta(seconds=1))
    assert past(fresh, inserted, fields="id")[reservation_id] == {"id": reservation_id}
    assert added["id"] not in past(fresh, date.fromisoformat(fresh.server.config.today))


def test_the_past_knows_when_a_reservation_was_deleted(fresh):
    reservation_id = fresh.any_reservation()
    fresh.server.faults.clock_skew = 0.0
    fresh.account.delete_reservation(reservation_id)
    fresh.server.faults.clock_skew = 100.0
    fresh.account.restore_reservation(reservation_id)
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    there = [reservation_id in past(fresh, now + timedelta(seconds=at)) for at in (-50, 50, 150)]
    assert there == [True, False, True]


def test_some_trails_are_missing(fresh):
    fresh.control("/faults", {"trails_missing": 0.5})
    lengths = [len(fresh.result(f"/reservations/{key}/logs")) for key in fresh.account.reservations]
    assert 5 < lengths.count(0) < 35
    assert lengths == [len(fresh.result(f"/reservations/{key}/logs")) for key in fresh.account.reservations]


def test_trails_may_reach_back_to_a_day_only(fresh):
    path = f"/reservations/{fresh.any_reservation()}/logs"
    whole = fresh.result(path)
    since = whole[0]["insertedOn"]
    fresh.control("/faults", {"trails_since": since})
    assert fresh.result(path) == [entry for entry in whole if entry["insertedOn"] >= since]


def test_some_trails_contradict_themselves(fresh):
    path = f"/reservations/{fresh.any_reservation()}/logs"
    whole = fresh.result(path)
    fresh.control("/faults", {"trails_contradict": 1.0})
    odd = [(a, b) for a, b in zip(whole, fresh.result(path), strict=True) if a != b]
    assert [(a["updatedField"], b["newValue"]) for a, b in odd] == [("status", "contradiction")]
