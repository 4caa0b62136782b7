"""The range of a calendar, how an answer becomes days, and which missing days two answers prove to be gone."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from hostaway_pipeline.domain.calendar import COLUMNS, Days, days_of, plan_deletions, span

FIRST = date(2026, 7, 1)


def day(number: int) -> date:
    return FIRST + timedelta(number)


def answer(*numbers: int, is_whole: bool = True) -> Days:
    return Days({day(number): () for number in numbers}, is_whole)


def plan(missing, first, second, *, stored=100, max_share=0.2):
    return plan_deletions({day(number) for number in missing}, first, second, stored=stored, max_share=max_share)


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        ("2026-07-15", "2026-06-01", "2028-01-31"),
        ("2026-01-31", "2025-12-01", "2027-07-31"),
        ("2026-08-31", "2026-07-01", "2028-02-29"),
        ("2026-12-01", "2026-11-01", "2028-06-30"),
        ("2028-02-29", "2028-01-01", "2029-08-31"),
    ],
)
def test_the_range_is_whole_months_from_last_month_to_18_months_ahead(today, first, last):
    assert span(date.fromisoformat(today)) == (date.fromisoformat(first), date.fromisoformat(last))


def test_a_day_is_read_by_its_keys():
    payload = {
        "date": "2026-07-01", "isAvailable": 1, "status": "available", "price": 99.5, "minimumStay": 2,
        "maximumStay": 1125, "countAvailableUnits": 3, "availableUnitsToSell": 2, "countBlockedUnits": 1,
        "countPendingUnits": 0, "note": "Maintenance",
    }  # fmt: skip
    assert [*COLUMNS] == [
        "is_available", "status", "price", "minimum_stay", "maximum_stay", "total_units", "available_units",
        "blocked_units", "pending_units",
    ]  # fmt: skip
    assert days_of([payload], expected=1).values == {FIRST: (True, "available", Decimal("99.5"), 2, 1125, 3, 2, 1, 0)}


def test_values_of_another_type_are_read_or_become_null():
    payload = {"date": "2026-07-01 00:00:00", "isAvailable": "0", "status": "a\x00b", "price": "99.50",
               "minimumStay": "two", "maximumStay": [7], "countBlockedUnits": 1.0}  # fmt: skip
    days = days_of([payload], expected=1)
    assert days.is_whole
    assert days.values == {FIRST: (False, "a\ufffdb", Decimal("99.50"), None, None, None, None, 1, None)}


def test_a_status_cannot_hold_a_card_number():
    [values] = days_of([{"date": "2026-07-01", "status": "4111 1111 1111 1111"}], expected=1).values.values()
    assert "4111" not in values[1]


@pytest.mark.parametrize("wrong", [{}, {"date": None}, {"date": "01.07.2026"}, {"date": 20260701}])
def test_a_day_without_a_readable_date_is_left_out_and_the_answer_is_not_whole(wrong):
    days = days_of([{"date": "2026-07-02"}, wrong], expected=2)
    assert (set(days.values), days.is_whole) == ({day(1)}, False)


def test_of_two_with_the_same_date_the_later_counts():
    days = days_of([{"date": "2026-07-01", "price": 1}, {"date": "2026-07-01", "price": 2}], expected=2)
    assert days.values[FIRST][2] == 2
    assert days.is_whole


# Deletions


def test_a_day_that_two_answers_lack_is_gone():
    gone = plan([1], answer(0, 2), answer(0, 2))
    assert (gone.days, gone.held_back, gone.reason) == ({day(1)}, 0, None)


def test_a_day_that_the_second_answer_shows_is_not():
    assert plan([1], answer(0, 2), answer(0, 1, 2)).days == set()
    assert plan([1], answer(0, 2), answer(0, 1, 2)).held_back == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (answer(0), answer(0, 2)),  # cut short
        (answer(0, 2), answer(2)),  # begins later
        (answer(), answer()),
        (answer(0, 2, is_whole=False), answer(0, 2)),
        (answer(0, 2), answer(0, 2, is_whole=False)),
    ],
)
@pytest.mark.parametrize("max_share", [0.2, 1])
def test_an_answer_says_nothing_about_days_beyond_its_ends_or_if_it_is_not_whole(first, second, max_share):
    gone = plan([1], first, second, max_share=max_share)
    if max_share == 1 and first.is_whole and second.is_whole:
        assert gone.days == {day(1)}  # the caller said that any number may go
    else:
        assert (gone.days, gone.held_back) == (set(), 1)
        assert "1 stored days are missing" in gone.reason


@pytest.mark.parametrize(("missing", "is_gone"), [(20, True), (21, False)])
def test_at_most_a_share_goes_at_once(missing, is_gone):
    numbers = range(1, missing + 1)
    gone = plan(numbers, answer(0, 50), answer(0, 50))
    assert len(gone.days) == (missing if is_gone else 0)
    assert gone.held_back == (0 if is_gone else missing)
    assert is_gone or gone.reason == (
        "21 of 100 stored days are missing from two answers; at most 20 may be deleted at once"
    )


def test_any_number_goes_if_that_is_allowed():
    assert len(plan(range(1, 60), answer(0, 60), answer(0, 60), max_share=1).days) == 59


def test_none_goes_if_none_may():
    assert plan([1], answer(0, 2), answer(0, 2), max_share=0).days == set()
