"""The oracle against a small account that can be computed by hand, and that it can be wrong in three known ways."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.world.world import World
from tests.analytics.oracle.compare import differences
from tests.analytics.oracle.kpis import KEYS, kpis
from tests.analytics.oracle.source import Rules, Source, source_of
from tests.analytics.oracle.values import share_of_night

TODAY = date(2026, 9, 1)
HOME = {
    "id": 7,
    "currencyCode": "EUR",
    "timeZoneName": "Europe/Berlin",
    "insertedOn": "2026-05-31 22:30:00",  # the first of June in Berlin
    "specialStatus": "archived",
    "latestActivityOn": "2026-07-10 09:00:00",
    "listingUnits": [],
}


def line(name: str, total: float, kind: str = "accomodation", is_included: int = 1) -> dict[str, object]:
    return {"name": name, "type": kind, "total": total, "isIncludedInTotalPrice": is_included, "isDeleted": 0}


def reservation(key: int, status: str, arrival: str, departure: str, **more: object) -> dict[str, object]:
    return {
        "id": key,
        "listingMapId": 7,
        "status": status,
        "arrivalDate": arrival,
        "departureDate": departure,
        "channelId": 2018,
        "currency": "EUR",
        "reservationDate": "2026-06-01 10:00:00",
        "totalPrice": None,
        "financeField": [],
        **more,
    }


def message(key: int, at: str, is_incoming: int, **more: object) -> dict[str, object]:
    return {
        "id": key,
        "conversationId": 3,
        "date": f"2026-06-{at}",
        "status": "sent",
        "isIncoming": is_incoming,
        **more,
    }


@pytest.fixture
def by_hand() -> Source:
    """One listing from 1 June to 10 July, one stay over the end of June, one of the owner, one cancelled booking."""
    paid = [line("baseRate", 100), line("weeklyDiscount", -10, "discount"), line("cleaningFee", 40, "fee")]
    return Source(
        account_id=1,
        listings=[HOME],
        reservations=[
            reservation(1, "modified", "2026-06-29", "2026-07-03", totalPrice=130, financeField=paid),
            reservation(2, "ownerStay", "2026-06-10", "2026-06-13"),
            reservation(3, "cancelled", "2026-06-20", "2026-06-22", totalPrice=55.5),
            reservation(4, "new", "2026-07-09", "2026-07-12", reservationDate=None, channelId=2015),
        ],
        conversations=[{"id": 3, "listingMapId": 7}],
        messages=[
            message(1, "01 10:00:00", 1),
            message(2, "01 10:05:00", 1),
            message(3, "01 10:06:00", 0, communicationId=5),
            message(4, "01 10:40:00", 0),
            message(5, "30 22:30:00", 1),  # July in Berlin
        ],
        today=TODAY,
    )


def test_nights_and_occupancy(by_hand):
    june, july = (kpis(by_hand)["kpi_listing_month"][1, 7, date(2026, month, 1)] for month in (6, 7))
    assert (june["listed_nights"], june["sold_nights"], june["owner_nights"]) == (30, 2, 3)
    assert (july["listed_nights"], july["sold_nights"]) == (10, 4)
    assert june["occupancy_with_owner"] == Fraction(5, 30)
    assert july["occupancy"] == Fraction(4, 10)
    assert june["available_nights"] is june["blocked_nights"] is june["adjusted_occupancy"] is None


def test_money(by_hand):
    """90.00 of rent over four nights, two of them in June; the booking without price counts in no ADR."""
    june, july = (kpis(by_hand)["kpi_listing_month_money"][1, 7, date(2026, month, 1), "EUR"] for month in (6, 7))
    assert (june["rent"], june["priced_nights"], june["adr"], june["revpar"]) == (45, 2, 22.5, 1.5)
    assert (july["rent"], july["priced_nights"], july["adr"], july["revpar"]) == (45, 2, 22.5, 4.5)
    assert kpis(by_hand)["kpi_account_month_money"][1, date(2026, 6, 1), "EUR"]["kept_amount"] == Decimal("55.5")


def test_bookings_and_answers(by_hand):
    june, july = (kpis(by_hand)["kpi_account_month"][1, date(2026, month, 1)] for month in (6, 7))
    assert (june["bookings_made"], june["cancellations"], june["cancellation_rate"]) == (2, 1, Fraction(1, 2))
    assert (june["stays"], june["stay_length_mean"], june["lead_time_median"]) == (1, 4, 28)
    assert (july["stays"], july["stay_length_mean"], july["lead_time_median"]) == (1, 3, None)
    assert (june["guest_runs"], june["answered_runs"], june["response_minutes_mean"]) == (1, 1, 40)
    assert (july["guest_runs"], july["answered_runs"], july["new_threads"]) == (1, 0, 0)


def test_the_calendar_gives_blocked_nights(by_hand):
    days = [date(2026, 7, number) for number in range(1, 11)]
    by_hand.calendar = {(7, on): {"status": "blocked" if on.day in (1, 5) else "available"} for on in days}
    july = kpis(by_hand)["kpi_listing_month"][1, 7, date(2026, 7, 1)]
    assert (july["blocked_nights"], july["available_nights"], july["adjusted_occupancy"]) == (1, 9, Fraction(4, 9))


def test_shares_of_nights_sum_to_the_amount():
    shares = [share_of_night(Decimal("100.00"), night, 3, "EUR") for night in (1, 2, 3)]
    assert shares == [Decimal("33.33"), Decimal("33.34"), Decimal("33.33")]
    assert [share_of_night(Decimal(100), night, 3, "JPY") for night in (1, 2, 3)] == [33, 34, 33]
    assert share_of_night(Decimal("-0.5"), 1, 1, "JPY") == -1


@pytest.mark.parametrize(
    "wrong",
    [Rules(sold=frozenset({"new"})), Rules(rent_is_total=True), Rules(counts_departure=True)],
    ids=["modified is not sold", "totalPrice is rent", "the departure night counts"],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_wrong_reading_differs(seed: int, wrong: Rules):
    account = SandboxAccount.parse("59808:7:150")
    world = World(SandboxConfig(accounts=(account,), seed=seed, today=str(TODAY)))
    source = source_of(world.account(59808), TODAY)
    right, mistaken = kpis(source), kpis(replace(source, rules=wrong))
    assert [name for name in KEYS if differences(name, right[name], right[name])] == []
    assert [name for name in KEYS if differences(name, right[name], mistaken[name])] != []
