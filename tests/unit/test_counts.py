"""Counts add up, field by field."""

from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.counts import Counts

COUNTS = st.builds(Counts, *[st.integers(0, 10**6)] * 5)


def test_fields_are_added_each_to_its_own():
    assert Counts(1, 2, 3, 4, 5) + Counts(10, 20, 30, 40, 50) == Counts(
        fetched=11, inserted=22, updated=33, unchanged=44, deleted=55
    )


def test_nothing_has_happened_until_it_is_counted():
    assert set(Counts().as_dict().values()) == {0}


def test_the_names_are_those_of_the_clis_json():
    assert list(Counts().as_dict()) == ["fetched", "inserted", "updated", "unchanged", "deleted"]


def test_the_dict_holds_each_number_under_its_name():
    assert Counts(1, 2, 3, 4, 5).as_dict() == {
        "fetched": 1,
        "inserted": 2,
        "updated": 3,
        "unchanged": 4,
        "deleted": 5,
    }


@given(COUNTS, COUNTS, COUNTS)
def test_pages_may_be_added_in_any_order(first, second, third):
    """Pages arrive in parallel."""
    assert (first + second) + third == third + (second + first)


@given(COUNTS)
def test_an_empty_page_changes_nothing(counts):
    assert counts + Counts() == counts
