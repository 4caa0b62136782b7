"""Capacity: the table that was worked out for the costs of the first version, and what follows from its parts."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from hostaway_pipeline.domain.capacity import ACCOUNTS, AccountCost, Capacity, Deployment, SyncCost
from hostaway_pipeline.domain.limits import RateLimit

NEW, OLD = RateLimit(200, 10), RateLimit(15, 10)
# When the table was made, a refresh cost nine calls, and neither conversations that are read again nor the lists of
# listings were counted.
THEN = AccountCost(794, 0, SyncCost(11, 0.36), SyncCost(9, 0.165), SyncCost(0, 0.0))
NIGHTLY_ONLY = replace(THEN, refresh=SyncCost(0, 0.0))
REFRESH_ONLY = replace(THEN, reconcile=SyncCost(0, 0.0))


def of(accounts: int, limit: RateLimit, cost: AccountCost = THEN, *, egresses: int = 1, **settings: object) -> Capacity:
    return Capacity(Deployment(accounts, egresses, limit, **settings), cost)  # type: ignore[arg-type]


def hours(duration: timedelta | None) -> float:
    assert duration is not None
    return duration / timedelta(hours=1)


def most(limit: RateLimit, cost: AccountCost, **settings: object) -> int:
    """The number of accounts that ask for the whole limit."""
    return math.floor(1 / of(1, limit, cost, **settings).demand)


@pytest.mark.parametrize(
    ("limit", "nightly_only", "two_hourly", "quarter_hourly"),
    [(NEW, 152_500, 14_100, 1_941), (OLD, 11_400, 1_057, 145)],
)
def test_the_most_accounts_of_one_address(limit, nightly_only, two_hourly, quarter_hourly):
    assert most(limit, NIGHTLY_ONLY) == pytest.approx(nightly_only, rel=0.005)
    assert most(limit, THEN, refresh_every=timedelta(hours=2)) == pytest.approx(two_hourly, rel=0.001)
    assert most(limit, REFRESH_ONLY) == quarter_hourly


@pytest.mark.parametrize(
    ("accounts", "limit", "nightly", "demand", "every"),
    [
        (1_300, NEW, 12 / 60, 0.68, 0.25),
        (1_300, OLD, 2.7, 9.04, 3.25),
        (10_000, NEW, 1.6, None, 1.75),
        (10_000, OLD, 21, None, None),
    ],
)
def test_how_often_so_many_accounts_are_synced(accounts, limit, nightly, demand, every):
    found = of(accounts, limit)
    assert hours(found.nightly) == pytest.approx(nightly, rel=0.03)
    assert demand is None or found.demand == pytest.approx(demand, abs=0.005)
    assert (
        found.refresh_every is None if every is None else hours(found.refresh_every) == pytest.approx(every, rel=0.01)
    )


def test_ten_thousand_accounts_at_the_old_limit_need_four_addresses_for_a_night():
    found = of(10_000, OLD, NIGHTLY_ONLY)
    assert "reconciles take 21h" in str(found.binding)
    assert next(found.ways_out()) == "4 outgoing IP addresses for the reconciles"
    assert of(10_000, OLD, NIGHTLY_ONLY, egresses=4).binding is None
    assert of(10_000, OLD, NIGHTLY_ONLY, egresses=3).binding is not None


def test_the_addresses_that_are_named_are_enough_and_one_less_is_not():
    for accounts in (150, 1_300, 9_999):
        for limit in (NEW, OLD):
            needed = of(accounts, limit, ACCOUNTS["7:787"]).egresses_for_all
            enough = of(accounts, limit, ACCOUNTS["7:787"], egresses=needed)
            assert (enough.binding, list(enough.ways_out()), enough.egresses_for_all) == (None, [], needed)
            if needed > 1:
                assert of(accounts, limit, ACCOUNTS["7:787"], egresses=needed - 1).binding is not None


def test_two_addresses_halve_what_takes_time():
    one, two = of(10_000, NEW), of(10_000, NEW, egresses=2)
    assert hours(two.nightly) == pytest.approx(hours(one.nightly) / 2)
    assert hours(two.first_syncs) == pytest.approx(hours(one.first_syncs) / 2)
    assert two.demand == pytest.approx(one.demand / 2)


def test_conversations_that_are_read_again_count():
    """A thirtieth of 787 a day: 27 calls more than the eleven of the lists."""
    cost = ACCOUNTS["7:787"]
    assert hours(of(100, NEW, cost).nightly) == pytest.approx(
        hours(of(100, NEW, cost, reread_share=0.0).nightly) * 38 / 11
    )
    assert any("HOSTAWAY_REREAD_SHARE=0" in way for way in of(1_300, OLD, cost).ways_out())
    assert not any("HOSTAWAY_REREAD_SHARE=0" in way for way in of(1_300, OLD, cost, reread_share=0.0).ways_out())


def test_a_share_kept_free_makes_refreshes_rarer():
    shares = [of(2_500, NEW, refresh_share=share).refresh_every for share in (1.0, 0.8, 0.4)]
    assert shares == sorted(shares)
    assert len(set(shares)) == 3


def test_a_longer_interval_is_kept_although_more_is_possible():
    assert of(10, NEW, refresh_every=timedelta(hours=2)).refresh_every == timedelta(hours=2)


def test_ways_out_that_ask_for_less_are_named():
    ways = " ".join(of(1_300, OLD, ACCOUNTS["7:787"]).ways_out())
    assert "HOSTAWAY_RECONCILE_WINDOW of 10h" in ways
    assert "HOSTAWAY_REFRESH_EVERY of 4h" in ways


def test_processors_are_busy_for_each_sync():
    cost = AccountCost(0, 0, SyncCost(1, 86_400.0), SyncCost(1, 900.0), SyncCost(1, 28_800.0))
    assert of(2, NEW, cost).cores == pytest.approx(6.0)
