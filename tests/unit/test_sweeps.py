"""When a read of a whole list may be trusted, and which rows may then be marked as deleted."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.sweeps import Tally, plan_tombstones

IDS = st.sets(st.integers(1, 60), max_size=40)
SHARES = st.floats(0, 1)


def tally(*pages: tuple[set[int], int | None]) -> Tally:
    made = Tally()
    for ids, count in pages:
        made.add(ids, count)
    return made


# Completeness


def test_a_pass_is_complete_when_its_distinct_ids_equal_the_count():
    assert tally(({1, 2}, 3), ({3}, 3)).is_complete


def test_a_pass_with_too_few_ids_is_not_complete():
    assert not tally(({1, 2}, 3)).is_complete


def test_a_row_that_comes_twice_counts_once():
    """A row that was updated during the pass comes again, in the place of one that slipped past."""
    assert not tally(({1, 2}, 3), ({2}, 3)).is_complete


def test_a_pass_with_more_ids_than_the_count_is_not_complete():
    """One came after it was read and one went: something else may have gone too."""
    assert not tally(({1, 2, 3}, 2)).is_complete


def test_a_pass_without_a_count_is_never_complete():
    """A failed or cut read must not look like the end of the list."""
    assert not tally(({1, 2}, None)).is_complete


def test_the_newest_count_decides():
    assert tally(({1, 2}, 2), ({3}, 3)).is_complete


def test_a_page_without_a_count_leaves_the_count_as_it_was():
    assert tally(({1}, 2), ({2}, None)).is_complete


def test_an_empty_list_is_complete_when_the_server_says_so():
    assert tally((set(), 0)).is_complete


def test_a_pass_that_has_not_begun_is_not_complete():
    assert not Tally().is_complete


def test_rows_that_come_on_two_pages_are_seen_once():
    counted = Tally()
    for page in ({1, 2}, {2, 3}, {1}):
        counted.add(page, None)
    assert counted.seen == {1, 2, 3}


def test_two_tallies_share_nothing():
    tally(({1}, 1))
    assert Tally().seen == set()


# Tombstones


def test_nothing_missing_marks_nothing():
    plan = plan_tombstones({1, 2}, {1, 2}, max_share=0.2)
    assert (plan.ids, plan.missing, plan.held_back) == (frozenset(), 0, None)


def test_rows_that_are_new_are_not_missing():
    assert plan_tombstones({1}, {1, 2, 3}, max_share=0.2).missing == 0


def test_a_few_missing_rows_are_marked():
    plan = plan_tombstones(set(range(10)), set(range(2, 10)), max_share=0.2)
    assert (plan.ids, plan.missing, plan.held_back) == ({0, 1}, 2, None)


def test_more_than_the_share_marks_nothing_at_all():
    """Not the first two of three either: an answer that is wrong is wrong as a whole."""
    plan = plan_tombstones(set(range(10)), set(range(3, 10)), max_share=0.2)
    assert (plan.ids, plan.missing) == (frozenset(), 3)


def test_what_is_held_back_is_said_in_numbers():
    plan = plan_tombstones(set(range(10)), set(range(3, 10)), max_share=0.2)
    assert plan.held_back == "3 of 10 rows are missing from the answer; at most 2 may go at once"


def test_one_of_a_few_rows_may_go():
    """20 % of three rows is less than one row: an account with three listings must be able to lose one."""
    assert plan_tombstones({1, 2, 3}, {1, 2}, max_share=0.2).ids == {3}


@pytest.mark.parametrize("rows", [1, 2, 5, 787])
def test_an_answer_without_any_row_empties_no_table(rows):
    """Even one of one: a wrong key or a broken filter looks just like it."""
    plan = plan_tombstones(set(range(rows)), set(), max_share=0.99)
    assert (plan.ids, plan.missing) == (frozenset(), rows)
    assert plan.held_back


def test_an_answer_of_strangers_empties_no_table():
    """Another account's rows, say: all of ours are missing, although the answer is not empty."""
    assert plan_tombstones({1, 2}, {8, 9}, max_share=0.99).ids == frozenset()


def test_a_share_of_one_means_i_know_do_it():
    plan = plan_tombstones({1, 2, 3}, set(), max_share=1)
    assert (plan.ids, plan.held_back) == ({1, 2, 3}, None)


def test_a_share_of_zero_marks_nothing():
    assert plan_tombstones(set(range(1000)), set(range(1, 1000)), max_share=0).ids == frozenset()


def test_an_empty_table_has_nothing_to_lose():
    assert plan_tombstones(set(), set(), max_share=0.2).held_back is None


@given(IDS, IDS, SHARES)
def test_only_rows_that_were_alive_and_not_seen_are_marked(alive, seen, share):
    assert plan_tombstones(alive, seen, max_share=share).ids <= alive - seen


@given(IDS, IDS, SHARES)
def test_it_is_all_of_the_missing_rows_or_none(alive, seen, share):
    plan = plan_tombstones(alive, seen, max_share=share)
    assert plan.ids == (frozenset() if plan.held_back else alive - seen)


@given(IDS, IDS, SHARES)
def test_every_missing_row_is_counted(alive, seen, share):
    assert plan_tombstones(alive, seen, max_share=share).missing == len(alive - seen)


@given(IDS.filter(bool), IDS, st.floats(0, 1, exclude_max=True))
def test_no_sweep_marks_a_whole_table_without_being_told_to(alive, seen, share):
    assert plan_tombstones(alive, seen, max_share=share).ids != alive


@given(IDS, IDS, st.floats(0, 1, exclude_max=True))
def test_never_more_than_the_share_rounded_up(alive, seen, share):
    assert len(plan_tombstones(alive, seen, max_share=share).ids) <= math.ceil(len(alive) * share)
