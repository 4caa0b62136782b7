"""How many sweeper runs there are, and for which mode: decided from what waits and what is at work."""

from datetime import UTC, datetime, timedelta

import pytest

from hostaway_pipeline.defs.sweeper_plan import Sweeper, sweeper_plan
from hostaway_pipeline.store.cadences import Backlog

QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
PERIODS = {"refresh": QUARTER, "listings": 8 * HOUR, "reconcile": DAY, "requested": DAY}


def plan(mode, *, due=0, latest=HOUR, requested=0, age=None, at_work=(), places=2, minute=0, paused_until=None):
    backlog = {
        mode: Backlog(mode, due=due, latest=latest if due else None),
        "full": Backlog("full", requested=requested, request_age=age),
    }
    sweepers = [Sweeper(place, work) for place, work in enumerate(at_work, 1)]
    return sweeper_plan(
        mode, backlog, sweepers, places=places, period=PERIODS[mode], minute=minute, paused_until=paused_until
    )


def test_nothing_due_needs_no_run():
    assert plan("refresh") == plan("refresh", due=0)
    assert (plan("refresh").is_needed, plan("refresh").text) == (False, "no account is due")


def test_accounts_that_wait_need_one():
    found = plan("reconcile", due=3)
    assert (found.is_needed, found.free_places, found.text) == (True, (1, 2), "3 due, the latest by 1:00:00")


@pytest.mark.parametrize(
    ("mode", "late", "is_needed"),
    [
        ("refresh", timedelta(seconds=89), False),
        ("refresh", timedelta(seconds=90), True),
        ("listings", timedelta(minutes=9), False),
        ("listings", timedelta(minutes=10), True),
        ("reconcile", timedelta(minutes=9), False),
        ("reconcile", timedelta(minutes=10), True),
    ],
)
def test_a_few_accounts_wait_together_for_a_tenth_of_the_period_and_ten_minutes_at_most(mode, late, is_needed):
    assert plan(mode, due=25, latest=late, minute=mode == "listings").is_needed is is_needed
    assert plan(mode, due=26, latest=late, minute=mode == "listings").is_needed is True


def test_what_was_requested_never_waits_for_more():
    assert plan("requested", requested=1).is_needed
    assert plan("requested", requested=1).text == "1 requested"


def test_a_run_at_work_is_enough_for_25_accounts():
    assert not plan("reconcile", due=25, at_work=["reconcile"]).is_needed
    assert plan("reconcile", due=26, at_work=["reconcile"]).is_needed


def test_a_request_does_not_wait_for_the_large_accounts_of_others():
    """A full sync may take an hour, and a run syncs four at a time."""
    young = plan("requested", requested=1, age=timedelta(seconds=50), at_work=["requested"])
    old = plan("requested", requested=1, age=timedelta(seconds=70), at_work=["requested"])
    assert (young.is_needed, old.is_needed) == (False, True)


def test_there_are_never_more_runs_than_places():
    assert not plan("requested", requested=1000, at_work=["refresh", "reconcile"]).is_needed
    assert "no place is free: 2 of 2 sweepers at work" in plan("requested", requested=1000, at_work=["x", "y"]).text


@pytest.mark.parametrize("mode", ["refresh", "listings"])
def test_one_place_is_kept_for_urgent_work(mode):
    """A reconcile that is due need not wait ten minutes for a refresh run to end."""
    mine = 0 if mode == "refresh" else 1
    assert plan(mode, due=100, minute=mine).is_needed
    assert not plan(mode, due=100, minute=mine, at_work=["refresh"]).is_needed
    assert plan("reconcile", due=100, at_work=["refresh"]).is_needed
    assert plan("requested", requested=1, at_work=["refresh"]).is_needed
    assert plan(mode, due=100, minute=mine, at_work=["requested"]).is_needed, "it is the kept place that is taken"


def test_of_the_last_place_every_mode_gets_its_turn():
    turns = {
        mode: [plan(mode, due=100, minute=minute).is_needed for minute in (0, 1)] for mode in ("refresh", "listings")
    }
    assert turns == {"refresh": [True, False], "listings": [False, True]}
    assert plan("refresh", due=100, minute=1, places=3).is_needed, "with two free places there is room for both"


def test_a_single_place_serves_all_modes():
    assert plan("refresh", due=1, places=1).is_needed
    assert plan("reconcile", due=1, places=1).is_needed
    assert not plan("reconcile", due=1, places=1, at_work=["refresh"]).is_needed


def test_no_run_starts_while_hostaway_refuses_the_address():
    until = datetime(2026, 11, 30, 12, 5, tzinfo=UTC)
    found = plan("refresh", due=100, paused_until=until)
    assert (found.is_needed, found.text) == (
        False,
        "100 due, the latest by 1:00:00; Hostaway has paused this address until 12:05:00 UTC",
    )
