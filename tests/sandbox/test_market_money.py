"""Prices of a generated account: finance lines that sum to the total, currencies, channels and their commissions."""

from collections import Counter, defaultdict
from statistics import mean, median

import pytest

from tests.sandbox import market
from tests.sandbox.market import ICAL, INQUIRIES, day

RENTED = {"baseRate", "weeklyDiscount", "monthlyDiscount", "lastMinuteDiscount", "cleaningFee", "pricePerExtraPerson"}


# Finance lines


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


def test_most_cancellations_keep_nothing_and_some_keep_money(rows):
    found = [row for row in rows if row["status"] == "cancelled"]
    kept = mean(bool(row["totalPrice"]) for row in found)
    assert 0.04 < kept < 0.3
    assert all(row["cancellationDate"] and row["cancelledBy"] for row in found)
    assert all((row["reservationDate"] or "") <= row["cancellationDate"] <= row["updatedOn"] for row in found)
    assert not any(row["cancellationDate"] for row in rows if row["status"] != "cancelled")


def test_inquiries_carry_a_price(rows):
    assert mean(bool(row["totalPrice"]) for row in rows if row["status"] in INQUIRIES) > 0.6


# Currencies


def test_a_reservation_has_the_currency_of_its_listing(any_account):
    currency = {row["id"]: row["currencyCode"] for row in any_account.truth("listings")}
    for row in market.reservations(any_account):
        assert row["currency"] == currency.get(row["listingMapId"], row["currency"])


def test_two_listings_have_another_currency_than_the_rest(large_account):
    currencies = Counter(row["currencyCode"] for row in large_account.truth("listings"))
    assert sorted(currencies.values())[:-1] == [1, 1]
    assert {"JPY", "KWD"} < set(currencies)


def test_amounts_have_no_more_digits_than_their_currency(any_account):
    for row in market.reservations(any_account):
        amounts = [row["totalPrice"] or 0, *(line["total"] for line in row["financeField"])]
        assert all(market.minor(row, amount) % 1 == 0 for amount in amounts)


# Channels


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
