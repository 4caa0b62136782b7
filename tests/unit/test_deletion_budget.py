"""How many rows may be deleted in a day, and which."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.deletions import MIN_DELETIONS, Budget

GROUPS = st.lists(st.frozensets(st.integers(1, 60), max_size=9), max_size=8)


def group(*ids: int) -> frozenset[int]:
    return frozenset(ids)


@pytest.mark.parametrize(("live", "allowed"), [(0, 5), (3, 5), (25, 5), (26, 6), (100, 20), (787, 158)])
def test_a_fifth_rounded_up_and_five_at_least(live, allowed):
    assert Budget(live, 0, 0.2).allowed == allowed


def test_the_noise_of_binary_fractions_does_not_round_up():
    assert Budget(1000, 0, 0.007).allowed == 7


def test_a_share_of_zero_lets_nothing_go():
    assert Budget(1000, 0, 0).choose([group(1)]) == []


def test_a_share_of_one_lets_everything_go():
    everything = [frozenset(range(1000))]
    assert Budget(0, 0, 1).choose(everything) == everything


def test_what_went_already_is_no_longer_left():
    assert Budget(100, 19, 0.2).choose([group(1), group(2)]) == [group(1)]


def test_a_group_goes_as_a_whole_or_not_at_all():
    """Not the first five of six either: an answer that is wrong is wrong as a whole."""
    assert Budget(10, 0, 0.2).choose([frozenset(range(6)), group(7, 8)]) == [group(7, 8)]


def test_a_refusal_tells_the_numbers():
    refusal = Budget(10, 0, 0.2).refusal(6)
    assert refusal == "6 of 10 rows are missing from the answer; at most 5 may be deleted in a day"
    assert Budget(10, 2, 0.2).refusal(4).endswith("at most 5 may be deleted in a day, and 2 were already")


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1, exclude_max=True), GROUPS)
def test_never_more_in_a_day_than_the_share_or_the_least(live, marked, share, groups):
    chosen = Budget(live, marked, share).choose(groups)
    most = max(MIN_DELETIONS, math.ceil(live * share))
    assert sum(map(len, chosen)) <= max(0, most - marked)
