"""Rate limits as values: REQUESTS/SECONDS."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.limits import RateLimit


def test_a_limit_is_requests_in_any_so_many_seconds():
    assert RateLimit.parse("200/10") == RateLimit(requests=200, seconds=10)


def test_seconds_may_be_a_fraction():
    assert RateLimit.parse("15/0.5") == RateLimit(15, 0.5)


def test_spaces_do_no_harm():
    assert RateLimit.parse(" 30 / 60 ") == RateLimit(30, 60)


@pytest.mark.parametrize("text", ["", "200", "200/", "/10", "200/10s", "200/10/1", "-1/10", "200/-10", "1.5/10", "a/b"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="REQUESTS/SECONDS"):
        RateLimit.parse(text)


@pytest.mark.parametrize("text", ["0/10", "00/10", "200/0", "200/0.0"])
def test_zero_is_no_limit(text):
    """Zero requests would wait for ever, zero seconds would divide by zero."""
    with pytest.raises(ValueError, match="REQUESTS/SECONDS"):
        RateLimit.parse(text)


def test_the_refusal_repeats_what_was_given():
    with pytest.raises(ValueError, match="'lots'"):
        RateLimit.parse("lots")


@given(st.integers(1, 9_999_999), st.integers(1, 86_400))
def test_a_limit_reads_back_from_its_text(requests, seconds):
    assert RateLimit.parse(str(RateLimit(requests, seconds))) == RateLimit(requests, seconds)


def test_seconds_are_finite():
    """An infinite window never gives a slot back."""
    try:
        limit = RateLimit.parse("200/" + "9" * 400)
    except ValueError:
        return
    assert math.isfinite(limit.seconds)
