"""A fleet whose limit is too low: reconciles keep their window, and refreshes become rarer for all accounts alike."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from hostaway_pipeline.domain.cadences import Plan
from hostaway_pipeline.domain.durations import Window
from hostaway_pipeline.domain.limits import RateLimit
from tests.integration.fleet_model import Fleet

EVENING = datetime(2026, 11, 30, 22, tzinfo=UTC)
TWO, HOUR = EVENING + timedelta(hours=4), timedelta(hours=1)
# 60 accounts ask for four calls in ten seconds, 24 in each quarter of an hour; refreshes may take three.
ACCOUNTS, LIMIT = range(1, 61), RateLimit(4, 60)
CALLS = {"reconcile": 3, "refresh": 6, "listings": 1}
PLAN = Plan(
    Window(time(2), 3 * HOUR), ZoneInfo("UTC"), {"refresh": timedelta(minutes=15), "listings": timedelta(hours=8)}
)
OpenFleet = Callable[..., Fleet]


@pytest.fixture
def open_fleet(database_url: str) -> Iterator[OpenFleet]:
    opened: list[Fleet] = []

    def make(**options: object) -> Fleet:
        opened.append(Fleet(database_url, PLAN, ACCOUNTS, EVENING, limit=LIMIT, calls=CALLS, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for fleet in opened:
        fleet.close()


def reconciled(fleet: Fleet) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = {}
    for mode, account_id, end in fleet.outcome.done:
        if mode == "reconcile":
            found.setdefault(account_id, []).append(end)
    return found


def test_an_overload_stretches_refreshes_evenly_and_never_the_reconciles_window(open_fleet: OpenFleet) -> None:
    fleet = open_fleet()
    fleet.simulate(10 * HOUR)
    nights = reconciled(fleet)
    assert {len(ends) for ends in nights.values()} == {1}
    assert len(nights) == len(ACCOUNTS)
    assert all(TWO <= ends[0] < TWO + 3 * HOUR for ends in nights.values())
    intervals = fleet.intervals("refresh")
    assert len(intervals) == len(ACCOUNTS)
    assert min(intervals) > timedelta(minutes=30), "the limit allows no more"
    assert max(intervals) <= 2 * min(intervals)
    assert fleet.outcome.most_runs <= 2
    done = Counter(mode for mode, *_ in fleet.outcome.done)
    assert done["listings"] >= len(ACCOUNTS) / 2, "refreshes starve no other mode"


def test_after_six_hours_without_a_scheduler_each_missed_account_is_synced_once(open_fleet: OpenFleet) -> None:
    fleet = open_fleet(is_up=lambda now: not TWO - HOUR <= now < TWO + 5 * HOUR)
    fleet.simulate(12 * HOUR)
    nights = reconciled(fleet)
    assert {len(ends) for ends in nights.values()} == {1}
    assert len(nights) == len(ACCOUNTS)
    assert fleet.outcome.most_runs <= 2


def test_if_hostaway_is_away_at_two_all_accounts_are_reconciled_in_the_same_night(open_fleet: OpenFleet) -> None:
    fleet = open_fleet(is_away=lambda now: TWO <= now < TWO + HOUR)
    fleet.simulate(9 * HOUR)
    nights = reconciled(fleet)
    assert {len(ends) for ends in nights.values()} == {1}
    assert len(nights) == len(ACCOUNTS)
    assert fleet.outcome.most_runs <= 2


def test_accounts_that_fail_cost_the_others_nothing_and_are_synced_once_they_work_again(open_fleet: OpenFleet) -> None:
    broken, mended_at = {7, 23, 54}, TWO + HOUR
    fleet = open_fleet(is_broken=lambda account_id, now: account_id in broken and now < mended_at)
    fleet.simulate(7 * HOUR)
    nights = reconciled(fleet)
    assert {len(ends) for ends in nights.values()} == {1}
    assert len(nights) == len(ACCOUNTS)
    assert all((mended_at if account_id in broken else TWO) <= ends[0] for account_id, ends in nights.items())
    assert all(ends[0] < TWO + 3 * HOUR for account_id, ends in nights.items() if account_id not in broken)
    assert all(nights[account_id][0] < mended_at + 2 * HOUR for account_id in broken), "the longest pause is an hour"
    assert fleet.outcome.most_runs <= 2
