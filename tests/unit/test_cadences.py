"""When accounts are due: on a grid of their own, spread evenly, whatever happens to others or to the clock."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from hostaway_pipeline.domain.cadences import DEFAULT, Plan, Schedule, satisfied_by, sync_of
from hostaway_pipeline.domain.durations import Window
from hostaway_pipeline.domain.entities import ENTITIES

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ACCOUNTS = range(50_000, 51_300)
QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)


def plan(zone="UTC", **periods):
    return Plan(Window(time(2), 6 * HOUR), ZoneInfo(zone), periods or {"refresh": QUARTER, "listings": 8 * HOUR})


def nights(zone, start, end, own=DEFAULT):
    """All due times of one account's reconciles between two moments."""
    moments, now = [], start
    while (now := plan(zone).next_due(7, "reconcile", now, own)) < end:
        moments.append(now)
    return moments


def test_each_point_of_the_grid_lies_one_period_after_the_last():
    first = plan().next_due(7, "refresh", NOON)
    assert NOON < first <= NOON + QUARTER
    assert plan().next_due(7, "refresh", first) == first + QUARTER


def test_a_success_that_comes_late_moves_no_point_of_the_grid():
    """So nothing drifts, and an outage of six hours leaves one due time behind, not 24."""
    first = plan().next_due(7, "refresh", NOON)
    much_later = plan().next_due(7, "refresh", NOON + 6 * HOUR + timedelta(seconds=17))
    assert (much_later - first) % QUARTER == timedelta(0)


def test_an_account_has_other_points_in_other_modes_and_other_accounts_have_others():
    now = plan(refresh=DAY, listings=DAY)
    assert len({now.next_due(account, mode, NOON) for account in (7, 8) for mode in ("refresh", "listings")}) == 4


def test_the_nights_reconciles_are_spread_over_the_window():
    """In five minutes of six hours, at most twice the mean."""
    midnight = datetime(2026, 11, 30, tzinfo=UTC)
    due = [plan().next_due(account, "reconcile", midnight) for account in ACCOUNTS]
    window = midnight + 2 * HOUR
    assert all(window <= moment < window + 0.9 * 6 * HOUR for moment in due), "the last ones can still end in it"
    ticks = Counter((moment - window) // timedelta(minutes=5) for moment in due)
    assert max(ticks.values()) <= 2 * len(ACCOUNTS) / 72


def test_refreshes_are_spread_over_their_period():
    due = [plan().next_due(account, "refresh", NOON) for account in ACCOUNTS]
    assert max(Counter((moment - NOON) // timedelta(minutes=1) for moment in due).values()) <= 2 * len(ACCOUNTS) / 15


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", datetime(2027, 3, 27, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 10, 31, tzinfo=UTC)),
    ],
)
def test_a_night_with_a_change_of_clocks_has_one_reconcile_like_any_other(zone, day):
    moments = nights(zone, day, day + 4 * DAY)
    assert len(moments) == 4
    assert len({moment.astimezone(ZoneInfo(zone)).date() for moment in moments}) == 4
    for moment in moments:
        local = moment.astimezone(ZoneInfo(zone))
        start = datetime.combine(local.date(), time(2), local.tzinfo).astimezone(UTC)
        assert timedelta(0) <= moment - start < 6 * HOUR, "the window lasts six real hours in each night"


def test_an_account_with_a_time_of_its_own_is_due_then_in_the_plans_zone():
    """At a time that the clocks skip, an hour later by the clock: the night is not left out."""
    first = datetime(2027, 3, 27, tzinfo=UTC)
    moments = nights("Europe/Berlin", first, first + 3 * DAY, Schedule(at=time(2, 30)))
    berlin = [f"{moment.astimezone(ZoneInfo('Europe/Berlin')):%d %H:%M}" for moment in moments]
    assert berlin == ["27 02:30", "28 03:30", "29 02:30"]


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts():
    late = Plan(Window(time(22), 6 * HOUR), ZoneInfo("UTC"), {})
    due = [late.next_due(account, "reconcile", datetime(2026, 11, 30, 23, tzinfo=UTC)) for account in ACCOUNTS]
    assert min(due) < datetime(2026, 11, 30, 23, 10, tzinfo=UTC), "those that are due later in this window still are"
    assert max(due) < datetime(2026, 12, 1, 23, tzinfo=UTC)
    assert Counter(moment.hour in (22, 23, 0, 1, 2, 3) for moment in due) == {True: len(ACCOUNTS)}


def test_an_account_may_have_a_period_of_its_own():
    first = plan().next_due(7, "refresh", NOON, Schedule(every=2 * HOUR))
    assert plan().next_due(7, "refresh", first, Schedule(every=2 * HOUR)) == first + 2 * HOUR


def test_reconciles_and_what_is_due_on_request_only_count_their_lateness_in_days():
    assert [plan().period(mode) for mode in ("refresh", "reconcile", "full", "requested")] == [QUARTER, DAY, DAY, DAY]


def test_a_mode_without_a_period_is_due_on_request_only():
    assert plan().next_due(7, "full", NOON) is None
    assert plan().next_due(7, "calendar", NOON) is None
    assert plan().modes == ["reconcile", "refresh", "listings"]


@pytest.mark.parametrize(
    ("mode", "entities", "satisfied"),
    [
        ("full", ENTITIES, {"full", "reconcile", "refresh", "listings"}),
        ("reconcile", ENTITIES, {"reconcile", "refresh", "listings"}),
        ("refresh", ENTITIES, {"refresh"}),
        ("full", ["listings"], {"listings"}),
        ("reconcile", ["listings"], {"listings"}),
        ("refresh", ["listings"], set()),
        ("reconcile", ["calendar"], {"calendar"}),
        ("full", ["reservations", "conversations"], set()),
        ("full", ["reservations", "conversations", "messages"], {"refresh"}),
        ("full", [*ENTITIES, "calendar"], {"full", "reconcile", "refresh", "listings", "calendar"}),
    ],
)
def test_a_sync_satisfies_the_modes_whose_work_it_has_done(mode, entities, satisfied):
    assert satisfied_by(mode, entities) == satisfied


def test_no_sync_reads_trails():
    with pytest.raises(ValueError, match="trails"):
        sync_of("trails")


@pytest.mark.parametrize("mode", ["full", "reconcile", "refresh", "listings", "calendar"])
def test_the_sync_of_a_mode_satisfies_it(mode):
    assert mode in satisfied_by(*sync_of(mode))


@pytest.mark.parametrize(
    ("mode", "text", "schedule"),
    [
        ("refresh", "30m", Schedule(every=30 * timedelta(minutes=1))),
        ("reconcile", "03:00", Schedule(at=time(3))),
        ("listings", "default", DEFAULT),
        ("reconcile", "default", DEFAULT),
    ],
)
def test_an_accounts_own_schedule_is_read_and_written(mode, text, schedule):
    assert Schedule.parse(mode, text) == schedule
    assert str(schedule) == text


@pytest.mark.parametrize(
    ("mode", "text"), [("refresh", "30s"), ("refresh", "8d"), ("refresh", "03:00"), ("reconcile", "30m")]
)
def test_a_schedule_that_means_nothing_is_refused(mode, text):
    with pytest.raises(ValueError, match=text):
        Schedule.parse(mode, text)
