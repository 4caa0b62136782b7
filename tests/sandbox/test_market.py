"""The market of a generated account: nights that are taken once, seasons, lead times, statuses and listings.

Every rule holds for several seeds and sizes. Prices: test_market_money.py; later changes: test_market_changes.py.
"""

from calendar import monthrange
from collections import Counter
from datetime import timedelta
from statistics import mean, median

import pytest

from hostaway_pipeline.sandbox.templates import STATUSES
from tests.sandbox import market
from tests.sandbox.market import INQUIRIES, SOLD, TAKING, TODAY, day

# Nights


def test_no_night_is_sold_twice(any_account):
    assert market.overbooked(any_account) == []


@pytest.mark.parametrize("spec", ["1:0:0", "1:1:1", "1:2:17", "1:1:2000", "1:30:31", "1:1:12000"])
def test_sizes_are_exact(spec):
    account = market.account_of(spec)
    _, listings, reservations = map(int, spec.split(":"))
    assert (len(account.listings), len(account.reservations)) == (listings, reservations)
    assert market.overbooked(account) == []


def test_more_reservations_reach_further_back():
    """Instead of sharing nights, or of being cancelled."""
    accounts = [market.account_of(f"1:2:{count}") for count in (100, 3000)]
    nights = [[night for _, night in market.taken_nights(account)] for account in accounts]
    assert min(nights[1]).year < 2020 < min(nights[0]).year


def test_nights_are_the_days_between_arrival_and_departure(any_account):
    for row in market.reservations(any_account):
        assert row["nights"] == (day(row["departureDate"]) - day(row["arrivalDate"])).days


def test_a_stay_has_1_to_28_nights(any_account):
    assert {row["nights"] for row in market.reservations(any_account) if row["status"] in TAKING} <= set(range(1, 29))


def test_most_stays_have_2_to_7_nights(sold):
    assert 0.7 < mean(2 <= row["nights"] <= 7 for row in sold) < 0.95
    assert {1, 14} <= {row["nights"] for row in sold}


def test_owner_stays_and_holds_take_nights_too(large_account, rows):
    assert {"ownerStay", "awaitingPayment"} <= {row["status"] for row in rows}
    assert market.taken_nights(large_account).total() > market.taken_nights(large_account, SOLD).total()


def test_other_statuses_may_overlap_taken_nights(large_account, rows):
    taken = market.taken_nights(large_account)
    others = [row for row in rows if row["status"] not in TAKING]
    assert any(taken[row["listingMapId"], night] for row in others for night in market.nights_of(row))


def test_the_past_year_is_well_occupied(large_account):
    assert 0.55 <= market.occupancy(large_account, TODAY - timedelta(365), TODAY) <= 0.70


def test_no_listing_month_exceeds_its_nights(large_account):
    units, months = market.capacity(large_account), Counter()
    for (listing_id, night), taken in market.taken_nights(large_account).items():
        months[listing_id, night.year, night.month] += taken
    for (listing_id, year, month), taken in months.items():
        assert taken <= monthrange(year, month)[1] * units[listing_id]


def test_summer_sells_better_than_winter(large_account):
    """In the year before today, when the large_account reaches back that far."""
    year = TODAY.year
    summer = market.occupancy(large_account, TODAY.replace(month=6, day=15), TODAY)
    winter = market.occupancy(
        large_account, TODAY.replace(year=year - 1, month=11, day=1), TODAY.replace(month=2, day=15)
    )
    assert summer > winter + 0.1


def test_weekends_sell_better_than_other_days(large_account):
    days = Counter()
    for (_, night), taken in market.taken_nights(large_account, SOLD).items():
        if TODAY - timedelta(364) <= night < TODAY:
            days[night.weekday() in (4, 5)] += taken
    assert days[True] / 2 > 1.04 * days[False] / 5


def test_coming_months_fill_up_slowly(large_account):
    near, far = (market.occupancy(large_account, TODAY + timedelta(a), TODAY + timedelta(a + 30)) for a in (0, 90))
    assert market.occupancy(large_account, TODAY - timedelta(60), TODAY) > near > far


# Lead times


def test_lead_times_fall_off_with_a_few_on_the_day(sold):
    leads = [
        (day(row["arrivalDate"]) - day(row["reservationDate"])).days
        for row in sold
        if row["reservationDate"] and row["arrivalDate"] < str(TODAY)
    ]
    assert 0.02 < mean(lead == 0 for lead in leads) < 0.15
    assert 10 < median(leads) < 40
    assert mean(leads) > 1.15 * median(leads)
    assert min(leads) >= 0


def test_nothing_happened_after_today(any_account):
    for row in market.reservations(any_account):
        times = [row[key] for key in ("reservationDate", "insertedOn", "updatedOn", "latestActivityOn")]
        assert max(filter(None, [*times, row["cancellationDate"]])) <= f"{TODAY} 00:00:00"


def test_a_reservation_is_booked_before_it_changes_and_before_it_begins(any_account):
    for row in market.reservations(any_account):
        assert row["insertedOn"] <= (row["reservationDate"] or row["insertedOn"]) <= row["updatedOn"]
        if row["status"] in TAKING:
            assert row["insertedOn"][:10] <= row["arrivalDate"]


# Statuses


def test_all_sixteen_statuses_occur(rows):
    assert {row["status"] for row in rows} == set(STATUSES)


def test_only_coming_stays_wait_for_a_decision(any_account):
    past = {row["status"] for row in market.reservations(any_account) if row["arrivalDate"] < str(TODAY)}
    assert not past & {"pending", "unconfirmed", "awaitingPayment", "awaitingGuestVerification"}


def test_unspecified_dates_are_yesterday(rows):
    yesterday = str(TODAY - timedelta(1))
    found = [row for row in rows if row["isDatesUnspecified"]]
    assert found
    assert {(row["arrivalDate"], row["departureDate"], row["nights"]) for row in found} == {(yesterday, yesterday, 0)}
    assert {row["status"] for row in found} <= INQUIRIES


def test_unspecified_dates_move_every_day_without_an_update():
    account = market.account_of("59808:7:787")
    before = {row["id"]: row for row in market.reservations(account)}
    account.pass_days(2)
    changed = [row for row in market.reservations(account) if row != before[row["id"]]]
    assert {row["arrivalDate"] for row in changed} == {str(TODAY + timedelta(1))}
    assert all(row["updatedOn"] == before[row["id"]]["updatedOn"] for row in changed)


def test_some_enquiries_convert(rows):
    """Such a reservation was inserted before it was booked."""
    converted = [row for row in rows if row["reservationDate"] and row["insertedOn"] < row["reservationDate"]]
    assert 0.01 < len(converted) / len(rows) < 0.2
    assert {row["status"] for row in converted} <= TAKING | {"cancelled"}


# Listings


def test_some_listings_have_several_units(large_account, sold):
    units = market.capacity(large_account)
    several = {listing_id for listing_id, count in units.items() if count > 1}
    assert several
    found = [row for row in sold if row["listingMapId"] in several]
    assert {1, 2} <= {market.units_of(row) for row in found}
    assert {market.units_of(row) for row in sold if row["listingMapId"] not in several} == {1}
    own = {unit["id"] for row in large_account.truth("listings") for unit in row["listingUnits"]}
    assert {unit["listingUnitId"] for row in found for unit in row["reservationUnit"]} <= own


def test_no_unit_is_sold_twice(large_account):
    assert max(market.unit_nights(large_account).values()) == 1


def test_units_are_sold_side_by_side(large_account):
    units = market.capacity(large_account)
    assert any(
        taken > 1 for (listing_id, _), taken in market.taken_nights(large_account).items() if units[listing_id] > 1
    )


def test_one_listing_came_in_mid_year(large_account, rows):
    young = [row for row in large_account.truth("listings") if day(row["insertedOn"]) > TODAY - timedelta(270)]
    assert len(young) == 1
    assert day(young[0]["insertedOn"]) < TODAY - timedelta(90)
    stays = [row for row in rows if row["listingMapId"] == young[0]["id"]]
    assert stays
    assert min(row["insertedOn"] for row in stays) >= young[0]["insertedOn"]


def test_every_listing_is_older_than_its_reservations(any_account):
    inserted = {row["id"]: row["insertedOn"] for row in any_account.truth("listings")}
    for row in market.reservations(any_account):
        assert inserted.get(row["listingMapId"], "") <= row["insertedOn"]


def test_an_archived_listing_has_no_stay_after_its_end(large_account, rows):
    archived = [row for row in large_account.truth("listings") if row["specialStatus"] == "archived"]
    assert archived
    for listing in archived:
        ended = listing["latestActivityOn"][:10]
        assert ended < str(TODAY)
        stays = [row for row in rows if row["listingMapId"] == listing["id"] and row["status"] in TAKING]
        assert max((row["departureDate"] for row in stays), default="") <= ended
