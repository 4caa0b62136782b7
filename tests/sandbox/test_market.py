"""The market of a generated account: nights that are taken once, prices that add up, channels, seasons and lead times.

Every rule holds for several seeds and sizes. What later changes do to it: test_market_changes.py.
"""

from calendar import monthrange
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from statistics import mean, median

import pytest

from hostaway_pipeline.sandbox.templates import STATUSES
from tests.sandbox import market
from tests.sandbox.market import ICAL, INQUIRIES, SOLD, TAKING, TODAY, day

SPECS = [("59808:7:787", 1), ("59808:7:787", 2), ("3:12:2000", 3), ("4:3:40", 1), ("5:1:300", 4), ("6:0:30", 1)]
LARGE = [("59808:7:787", 1), ("59808:7:787", 2), ("3:12:2000", 3), ("8:20:3000", 5)]


@pytest.fixture(scope="module", params=SPECS, ids=str)
def any_account(request):
    return market.account_of(*request.param)


@pytest.fixture(scope="module", params=LARGE, ids=str)
def account(request):
    return market.account_of(*request.param)


@pytest.fixture(scope="module")
def rows(account):
    return market.reservations(account)


@pytest.fixture(scope="module")
def sold(rows):
    return [row for row in rows if row["status"] in SOLD]


@pytest.fixture(scope="module")
def plain(rows):
    return [row for row in rows if market.is_plain(row)]


# Nights


def test_no_night_is_sold_twice(any_account):
    assert market.overbooked(any_account) == []


@pytest.mark.parametrize("spec", ["1:0:0", "1:1:1", "1:2:17", "1:1:2000", "1:30:31", "1:1:12000"])
def test_any_size_is_as_the_spec_says(spec):
    account = market.account_of(spec)
    _, listings, reservations = map(int, spec.split(":"))
    assert (len(account.listings), len(account.reservations)) == (listings, reservations)
    assert market.overbooked(account) == []


def test_more_reservations_reach_further_back():
    first = [min(row["arrivalDate"] for row in market.reservations(market.account_of(f"1:2:{n}"))) for n in (100, 3000)]
    assert first[1] < first[0]
    assert first[1] < "2020"


def test_nights_are_the_days_between_arrival_and_departure(any_account):
    for row in market.reservations(any_account):
        assert row["nights"] == (day(row["departureDate"]) - day(row["arrivalDate"])).days


def test_a_stay_has_1_to_28_nights(any_account):
    assert {row["nights"] for row in market.reservations(any_account) if row["status"] in TAKING} <= set(range(1, 29))


def test_most_stays_have_2_to_7_nights(sold):
    assert 0.7 < mean(2 <= row["nights"] <= 7 for row in sold) < 0.95
    assert {1, 14} <= {row["nights"] for row in sold}


def test_owner_stays_and_holds_take_nights_too(account, rows):
    """None of them shares a night with a sold stay, though tentative ones may."""
    assert {"ownerStay", "awaitingPayment"} <= {row["status"] for row in rows}
    assert market.taken_nights(account).total() > market.taken_nights(account, SOLD).total()


def test_what_takes_no_night_may_lie_on_a_taken_one(account, rows):
    taken = market.taken_nights(account)
    others = [row for row in rows if row["status"] not in TAKING]
    assert any(taken[row["listingMapId"], night] for row in others for night in market.nights_of(row))


def test_the_past_year_is_well_occupied(account):
    assert 0.55 <= market.occupancy(account, TODAY - timedelta(365), TODAY) <= 0.70


def test_no_listing_month_exceeds_its_nights(account):
    units, months = market.capacity(account), Counter()
    for (listing_id, night), taken in market.taken_nights(account).items():
        months[listing_id, night.year, night.month] += taken
    for (listing_id, year, month), taken in months.items():
        assert taken <= monthrange(year, month)[1] * units[listing_id]


def test_summer_sells_better_than_winter(account):
    """In the year before today, when the account reaches back that far."""
    year = TODAY.year
    summer = market.occupancy(account, TODAY.replace(month=6, day=15), TODAY)
    winter = market.occupancy(account, TODAY.replace(year=year - 1, month=11, day=1), TODAY.replace(month=2, day=15))
    assert summer > winter + 0.1


def test_weekends_sell_better_than_other_days(account):
    days = Counter()
    for (_, night), taken in market.taken_nights(account, SOLD).items():
        if TODAY - timedelta(364) <= night < TODAY:
            days[night.weekday() in (4, 5)] += taken
    assert days[True] / 2 > 1.04 * days[False] / 5


def test_coming_months_fill_up_slowly(account):
    near, far = (market.occupancy(account, TODAY + timedelta(a), TODAY + timedelta(a + 30)) for a in (0, 90))
    assert market.occupancy(account, TODAY - timedelta(60), TODAY) > near > far


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


# Money


def test_included_lines_sum_to_the_total(any_account):
    assert market.wrong_totals(any_account) == []


def test_nearly_every_sold_stay_has_a_base_rate(sold):
    priced = [row for row in sold if row["totalPrice"]]
    assert mean(bool(market.lines(row, "baseRate")) for row in priced) > 0.95
    assert all(line["total"] > 0 for row in priced for line in market.lines(row, "baseRate"))


def test_rent_is_well_below_the_total(plain):
    ratio = median(row["totalPrice"] / market.lines(row, "baseRate")[0]["total"] for row in plain)
    assert 1.15 < ratio < 1.6


def test_discounts_are_negative_and_included(rows):
    discounts = [line for row in rows for line in market.lines(row) if line["type"] == "discount"]
    assert "weeklyDiscount" in {line["name"] for line in discounts}
    assert all(line["total"] < 0 and line["isIncludedInTotalPrice"] for line in discounts)


def test_a_week_is_discounted(plain):
    for row in plain:
        assert (row["nights"] >= 7) == bool(market.lines(row, "weeklyDiscount", "monthlyDiscount"))


@pytest.mark.parametrize("name", ["hostChannelFee", "airbnbPayoutSum", "guestChannelFee", "damageDeposit"])
def test_some_lines_are_not_part_of_the_total(rows, name):
    found = [line for row in rows for line in market.lines(row, name)]
    assert found
    assert not any(line["isIncludedInTotalPrice"] for line in found)


def test_the_usual_lines_occur(rows):
    names = {line["name"] for row in rows for line in market.lines(row)}
    assert {"baseRate", "cleaningFee", "vat", "cityTax", "pricePerExtraPerson", "totalPriceFromChannel"} <= names


def test_the_value_of_a_line_is_not_always_its_total(rows):
    """A rate in percent or a price per person."""
    for name in ("vat", "weeklyDiscount", "pricePerExtraPerson"):
        assert any(line["value"] != line["total"] for row in rows for line in market.lines(row, name))


def test_types_were_renamed_in_2024(rows):
    types = defaultdict(set)
    for row in rows:
        for line in market.lines(row, "baseRate"):
            types[row["insertedOn"] < "2024-07"].add(line["type"])
    assert types[False] == {"accomodation"}
    assert types[True] <= {"price"}


def test_lines_have_ids_of_their_own(rows):
    ids = [line["id"] for row in rows for line in row["financeField"]]
    assert len(ids) == len(set(ids))


def test_taxes_and_commission_agree_with_their_lines(plain):
    for row in plain:
        taxes = sum(market.minor(row, line["total"]) for line in market.lines(row, "vat", "cityTax"))
        assert market.minor(row, row["taxAmount"]) == taxes
        if row["channelCommissionAmount"] is not None:
            assert row["channelCommissionAmount"] == market.lines(row, "hostChannelFee")[0]["total"]


def nightly_rates(rows):
    for row in rows:
        yield row, market.lines(row, "baseRate")[0]["total"] / row["nights"] / market.units_of(row)


def test_the_base_rate_follows_the_listing(plain):
    by_listing = defaultdict(list)
    for row, rate in nightly_rates(plain):
        if row["currency"] not in ("JPY", "KWD"):
            by_listing[row["listingMapId"]].append(rate)
    typical = [median(rates) for rates in by_listing.values()]
    assert max(typical) > 1.5 * min(typical)


def test_the_base_rate_follows_the_season_and_the_weekday(plain):
    by_listing, summer, weekend = defaultdict(list), defaultdict(list), defaultdict(list)
    for row, rate in nightly_rates(plain):
        by_listing[row["listingMapId"]].append(rate)
    for row, rate in nightly_rates(plain):
        relative = rate / mean(by_listing[row["listingMapId"]])
        arrival = day(row["arrivalDate"])
        if arrival.month in (7, 8) or arrival.month in (1, 2):
            summer[arrival.month in (7, 8)].append(relative)
        if row["nights"] <= 2:
            weekend[arrival.weekday() in (4,)].append(relative)
    assert mean(summer[True]) > 1.2 * mean(summer[False])
    assert mean(weekend[True]) > 1.05 * mean(weekend[False])


# Currencies


def test_a_reservation_has_the_currency_of_its_listing(any_account):
    currency = {row["id"]: row["currencyCode"] for row in any_account.truth("listings")}
    for row in market.reservations(any_account):
        assert row["currency"] == currency.get(row["listingMapId"], row["currency"])


def test_two_listings_have_another_currency_than_the_rest(account):
    currencies = Counter(row["currencyCode"] for row in account.truth("listings"))
    assert sorted(currencies.values())[:-1] == [1, 1]
    assert {"JPY", "KWD"} < set(currencies)


def test_amounts_have_no_more_digits_than_their_currency(any_account):
    for row in market.reservations(any_account):
        amounts = [row["totalPrice"] or 0, *(line["total"] for line in row["financeField"])]
        assert all(market.minor(row, amount) % 1 == 0 for amount in amounts)


# Channels and statuses


def test_channels_have_their_shares(sold):
    share = {name: count / len(sold) for name, count in Counter(row["channelName"] for row in sold).items()}
    assert share["airbnbOfficial"] == pytest.approx(0.45, abs=0.07)
    assert share["bookingcom"] == pytest.approx(0.25, abs=0.07)
    assert {"homeaway", "direct", "customIcal"} <= share.keys()


@pytest.mark.parametrize(("channel", "fee"), [("airbnbOfficial", 0.155), ("bookingcom", 0.15), ("homeaway", 0.08)])
def test_a_channel_takes_its_share(plain, channel, fee):
    for row in plain:
        if row["channelName"] == channel:
            taken = market.lines(row, "hostChannelFee")[0]["total"]
            rent = sum(line["total"] for line in market.lines(row) if line["name"] in RENTED)
            assert taken == pytest.approx(rent * fee, rel=0.02, abs=1)


RENTED = {"baseRate", "weeklyDiscount", "monthlyDiscount", "lastMinuteDiscount", "cleaningFee", "pricePerExtraPerson"}


def test_direct_bookings_cost_no_commission(plain):
    assert not any(market.lines(row, "hostChannelFee") for row in plain if row["channelName"] == "direct")


def test_ical_bookings_have_neither_price_nor_booking_date(rows):
    found = [row for row in rows if row["channelId"] == ICAL]
    assert found
    assert {(row["reservationDate"], bool(row["totalPrice"]), len(row["financeField"])) for row in found} == {
        (None, False, 0)
    }


def test_owner_stays_have_no_price(rows):
    found = [row for row in rows if row["status"] == "ownerStay"]
    assert found
    assert not any(row["totalPrice"] or row["financeField"] for row in found)


def test_all_sixteen_statuses_occur(rows):
    assert {row["status"] for row in rows} == set(STATUSES)


def test_only_coming_stays_wait_for_a_decision(rows):
    past = {row["status"] for row in rows if row["arrivalDate"] < str(TODAY)}
    assert not past & {"pending", "unconfirmed", "awaitingPayment", "awaitingGuestVerification"}


def test_most_cancellations_keep_nothing_and_some_keep_money(rows):
    found = [row for row in rows if row["status"] == "cancelled"]
    kept = mean(bool(row["totalPrice"]) for row in found)
    assert 0.04 < kept < 0.3
    assert all(row["cancellationDate"] and row["cancelledBy"] for row in found)
    assert all((row["reservationDate"] or "") <= row["cancellationDate"] <= row["updatedOn"] for row in found)
    assert not any(row["cancellationDate"] for row in rows if row["status"] != "cancelled")


def test_inquiries_carry_a_price(rows):
    assert mean(bool(row["totalPrice"]) for row in rows if row["status"] in INQUIRIES) > 0.6


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
    """Such a reservation is older than its booking."""
    converted = [row for row in rows if row["reservationDate"] and row["insertedOn"] < row["reservationDate"]]
    assert 0.01 < len(converted) / len(rows) < 0.2
    assert {row["status"] for row in converted} <= TAKING | {"cancelled"}


# Listings


def test_some_listings_have_several_units(account, sold):
    units = market.capacity(account)
    several = {listing_id for listing_id, count in units.items() if count > 1}
    assert several
    found = [row for row in sold if row["listingMapId"] in several]
    assert {1, 2} <= {market.units_of(row) for row in found}
    assert {market.units_of(row) for row in sold if row["listingMapId"] not in several} == {1}
    own = {unit["id"] for row in account.truth("listings") for unit in row["listingUnits"]}
    assert {unit["listingUnitId"] for row in found for unit in row["reservationUnit"]} <= own


def test_no_unit_is_sold_twice(account):
    assert max(market.unit_nights(account).values()) == 1


def test_units_are_sold_side_by_side(account):
    units = market.capacity(account)
    assert any(taken > 1 for (listing_id, _), taken in market.taken_nights(account).items() if units[listing_id] > 1)


def test_one_listing_came_in_mid_year(account, rows):
    young = [row for row in account.truth("listings") if day(row["insertedOn"]) > TODAY - timedelta(270)]
    assert len(young) == 1
    assert day(young[0]["insertedOn"]) < TODAY - timedelta(90)
    stays = [row for row in rows if row["listingMapId"] == young[0]["id"]]
    assert stays
    assert min(row["insertedOn"] for row in stays) >= young[0]["insertedOn"]


def test_every_listing_is_older_than_its_reservations(any_account):
    inserted = {row["id"]: row["insertedOn"] for row in any_account.truth("listings")}
    for row in market.reservations(any_account):
        assert inserted.get(row["listingMapId"], "") <= row["insertedOn"]


def test_an_archived_listing_has_no_stay_after_its_end(account, rows):
    archived = [row for row in account.truth("listings") if row["specialStatus"] == "archived"]
    assert archived
    for listing in archived:
        ended = listing["latestActivityOn"][:10]
        assert ended < str(TODAY)
        stays = [row for row in rows if row["listingMapId"] == listing["id"] and row["status"] in TAKING]
        assert max((row["departureDate"] for row in stays), default="") <= ended


# Messages


def answers(account):
    """Minutes from a guest's message to the human answer that follows it, by the hour of the message."""
    for thread in account.conversations.values():
        waiting = None
        for message in sorted(thread.visible(), key=lambda message: message.date):
            if message.is_incoming:
                waiting = waiting or message
            elif waiting and not message.is_automated:
                asked, told = (datetime.fromisoformat(one.date) for one in (waiting, message))
                yield asked.hour, (told - asked).total_seconds() / 60
                waiting = None


def test_hosts_answer_within_minutes_or_hours_and_slower_at_night(account):
    day_times, nights = [], []
    for hour, minutes in answers(account):
        (day_times if 8 <= hour < 18 else nights if hour >= 22 or hour < 4 else []).append(minutes)
    assert 5 < median(day_times) < 120
    assert median(nights) > 2 * median(day_times)


def test_some_messages_are_automated(account):
    """They name the automation that sent them, as only they do."""
    automated = [row for row in account.truth("messages") if row["communicationId"]]
    assert automated
    assert {(row["isIncoming"], row["sentUsingHostaway"]) for row in automated if row["status"] == "sent"} == {(0, 1)}
    assert {"reservationCreated", "checkIn"} <= {row["communicationEvent"] for row in automated}
    assert len(automated) < 0.4 * sum(1 for _ in account.truth("messages"))


def test_a_conversation_begins_when_its_reservation_does(account):
    for thread in account.conversations.values():
        row = account.reservations.get(thread.reservation_id or 0)
        if row and thread.visible():
            first = min(message.date for message in thread.visible())
            assert row.own["insertedOn"] <= first


def test_some_guests_have_no_answer_yet(account):
    newest = [max(t.visible(), key=lambda m: m.date) for t in account.conversations.values() if t.visible()]
    assert 0.05 < mean(message.is_incoming for message in newest) < 0.6
