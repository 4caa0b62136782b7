"""How long to wait before another try, and what a 429 says about it."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from hostaway_pipeline.client.retry import RetryPolicy, retry_at

NOW = datetime(2026, 10, 5, 12, 0, 0, tzinfo=UTC)
IN_7_SECONDS = NOW + timedelta(seconds=7)
LONGEST = timedelta(minutes=10)
BOTH = pytest.mark.parametrize("header", ["X-RateLimit-Retry-After", "Retry-After"])


def unix(instant: datetime) -> str:
    return str(int(instant.timestamp()))


# The three forms


def test_hostaways_own_header_is_a_unix_timestamp():
    """Read as seconds, it would be a wait of 56 years."""
    assert retry_at({"X-RateLimit-Retry-After": unix(IN_7_SECONDS)}, NOW) == IN_7_SECONDS


def test_retry_after_may_be_seconds():
    assert retry_at({"Retry-After": "7"}, NOW) == IN_7_SECONDS


def test_retry_after_may_be_an_http_date():
    assert retry_at({"Retry-After": format_datetime(IN_7_SECONDS, usegmt=True)}, NOW) == IN_7_SECONDS


def test_an_http_date_in_another_zone_is_the_same_instant():
    elsewhere = IN_7_SECONDS.astimezone(timezone(timedelta(hours=2)))
    assert retry_at({"Retry-After": format_datetime(elsewhere)}, NOW) == IN_7_SECONDS


def test_an_http_date_without_a_zone_is_utc():
    assert retry_at({"Retry-After": "Mon, 05 Oct 2026 12:00:07 -0000"}, NOW) == IN_7_SECONDS


@BOTH
@pytest.mark.parametrize("text", ["7", unix(IN_7_SECONDS), format_datetime(IN_7_SECONDS, usegmt=True)])
def test_either_header_may_have_any_of_the_forms(header, text):
    """A gateway in between may write what it likes."""
    assert retry_at({header: text}, NOW) == IN_7_SECONDS


@BOTH
def test_fractions_of_a_second_are_kept(header):
    assert retry_at({header: "0.5"}, NOW) == NOW + timedelta(seconds=0.5)


@BOTH
def test_the_names_of_headers_have_no_case(header):
    assert retry_at(CaseInsensitiveDict({header.lower(): "7"}), NOW) == IN_7_SECONDS


def test_hostaways_own_header_goes_first():
    headers = {"Retry-After": "60", "X-RateLimit-Retry-After": unix(IN_7_SECONDS)}
    assert retry_at(headers, NOW) == IN_7_SECONDS


# No answer, or nonsense


def test_a_429_may_name_no_time():
    assert retry_at({}, NOW) is None


@BOTH
@pytest.mark.parametrize(
    "text",
    ["", "soon", "7 seconds", "nan", "inf", "-inf", "1e400", "1e20", "Mon, 99 Oct 2026 12:00:00 GMT", "0x10", "🐌"],
)
def test_nonsense_names_no_time(header, text):
    assert retry_at({header: text}, NOW) is None


def test_nonsense_in_one_header_leaves_the_other():
    assert retry_at({"X-RateLimit-Retry-After": "soon", "Retry-After": "7"}, NOW) == IN_7_SECONDS


def test_a_date_beyond_all_calendars_names_no_time():
    assert retry_at({"Retry-After": "Mon, 05 Oct 99999999999999999999 12:00:00 GMT"}, NOW) is None


# Bounds


@BOTH
@pytest.mark.parametrize(
    "text", ["-7", "0", "1000000000", "Thu, 01 Jan 1970 00:00:00 GMT", unix(NOW - timedelta(seconds=1))]
)
def test_an_instant_in_the_past_is_now(header, text):
    """The clocks of two machines differ."""
    assert retry_at({header: text}, NOW) == NOW


@BOTH
@pytest.mark.parametrize(
    "text", ["601", "999999999", "253402300799", unix(NOW + timedelta(days=1)), "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_an_absurdly_far_instant_is_ten_minutes_away(header, text):
    """Limits are windows of 10 seconds and a minute: a longer wait is a mistake, and would stop the account."""
    assert retry_at({header: text}, NOW) == NOW + LONGEST


@given(st.integers(-(10**30), 10**30).map(str) | st.floats().map(str) | st.datetimes().map(format_datetime))
def test_whatever_it_says_the_wait_is_bounded(text):
    instant = retry_at({"Retry-After": text}, NOW)
    assert instant is None or NOW <= instant <= NOW + LONGEST


# Waits between attempts


def test_five_attempts_have_four_delays():
    assert len(list(RetryPolicy(max_attempts=5).delays())) == 4


@given(st.integers(1, 40))
def test_n_attempts_have_one_wait_less(attempts):
    assert len(list(RetryPolicy(max_attempts=attempts).delays())) == attempts - 1


@given(st.integers(1, 40), st.floats(0.001, 10), st.floats(0.001, 60))
def test_no_wait_is_longer_than_the_cap(attempts, base, cap):
    assert all(
        0 < wait <= cap for wait in RetryPolicy(max_attempts=attempts, base_seconds=base, max_seconds=cap).delays()
    )


def test_waits_double_until_the_cap():
    """Half of each wait is fixed, half is jitter."""
    ceilings = [0.5, 1.0, 2.0, 4.0, 4.0]
    for _ in range(50):
        delays = list(RetryPolicy(max_attempts=6, base_seconds=0.5, max_seconds=4.0).delays())
        assert all(ceiling / 2 <= delay <= ceiling for delay, ceiling in zip(delays, ceilings, strict=True))


def test_waits_are_jittered():
    """Processes that failed together must not come back together."""
    assert len({next(RetryPolicy().delays()) for _ in range(20)}) > 10


def test_the_default_gives_up_within_a_minute():
    policy = RetryPolicy()
    assert sum(policy.max_seconds if wait > policy.max_seconds else wait for wait in policy.delays()) < 60


def test_answers_429_are_tried_more_often_but_not_for_ever():
    """The server names the wait, so patience is cheap; but a sync has to end."""
    assert RetryPolicy().max_attempts < RetryPolicy().max_attempts_on_429 < 100
