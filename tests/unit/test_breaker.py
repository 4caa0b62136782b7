"""The circuit breaker: a failing account is left alone, each time longer, and never for more than an hour."""

from datetime import timedelta

import pytest

from hostaway_pipeline.domain.breaker import pause_after


def minutes(*, is_permanent: bool, failures: range) -> list[float | None]:
    pauses = [pause_after(number, is_permanent=is_permanent) for number in failures]
    return [None if pause is None else pause / timedelta(minutes=1) for pause in pauses]


def test_two_transient_failures_may_be_bad_luck_and_from_the_third_on_pauses_double_up_to_an_hour():
    assert minutes(is_permanent=False, failures=range(1, 9)) == [None, None, 5, 10, 20, 40, 60, 60]


def test_wrong_credentials_stay_wrong_so_the_first_failure_pauses():
    assert minutes(is_permanent=True, failures=range(1, 7)) == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize("is_permanent", [True, False])
def test_no_number_of_failures_is_too_large(is_permanent):
    assert pause_after(10**6, is_permanent=is_permanent) == timedelta(hours=1)


def test_no_failure_is_no_pause():
    assert pause_after(0, is_permanent=True) is None
