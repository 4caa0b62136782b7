"""When a read of a whole list may be trusted, and which rows may then be marked as deleted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.sweeps import Reading, Tally, plan_after_second_read, plan_tombstones

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


# Several passes


def ended(ids: set[int], count: int | None) -> Tally:
    made = Tally()
    made.add(ids, count)
    made.add(set(), count, is_empty=True)
    return made


def test_a_read_that_has_not_begun_is_neither_done_nor_complete():
    assert not Reading().is_done
    assert not Reading().is_complete


def test_a_complete_pass_ends_a_read():
    reading = Reading([tally(({1, 2}, 2))])
    assert reading.is_done
    assert reading.is_complete
    assert not reading.is_confirmed, "what is missing was missing once only"


def test_passes_that_differ_go_on_up_to_three():
    passes = [ended({1}, 2), ended({2}, 2), ended({1}, 2)]
    assert [Reading(passes[:number]).is_done for number in (1, 2, 3)] == [False, False, True]
    assert not Reading(passes).is_complete


def test_a_count_that_stays_one_off_ends_after_two_equal_passes():
    """The list stands still: a third pass would say the same. It is not complete, but there is nothing more to see."""
    reading = Reading([ended({1, 2}, 3), ended({1, 2}, 3)])
    assert reading.is_done
    assert reading.shows_all
    assert not reading.is_complete
    assert reading.disagreement == "2 distinct rows but a count of 3, in 2 passes"


def test_equal_ids_with_another_count_are_not_equal_passes():
    assert not Reading([ended({1, 2}, 3), ended({1, 2}, 4)]).is_done


def test_a_list_without_a_count_is_complete_after_two_equal_passes_to_its_end():
    reading = Reading([ended({1, 2}, None), ended({1, 2}, None)])
    assert reading.is_complete
    assert reading.is_confirmed
    assert not Reading([ended({1, 2}, None)]).is_complete


@pytest.mark.parametrize("first_has_ended", [True, False])
def test_a_pass_that_broke_off_before_an_empty_page_completes_no_list_without_a_count(first_has_ended):
    passes = [ended({1, 2}, None), tally(({1, 2}, None))]
    assert not Reading(passes if first_has_ended else passes[::-1]).is_complete


def test_three_passes_without_a_count_that_never_agree_are_not_complete():
    assert not Reading([ended({1}, None), ended({2}, None), ended({3}, None)]).is_complete


# A second read


def test_only_what_both_reads_miss_has_gone():
    plan = plan_after_second_read({1, 2, 3, 4}, {1, 2}, Reading([tally(({1, 3}, 2))]), max_share=0.2)
    assert plan.ids == {4}


def test_a_second_read_that_is_not_complete_proves_nothing():
    plan = plan_after_second_read({1, 2, 3}, {1, 2}, Reading([ended({1, 2}, 3), ended({1, 2}, 3)]), max_share=0.2)
    assert (plan.ids, plan.missing) == (frozenset(), 1)
    assert plan.held_back == "rows are missing, and the list changed while it was read again"


# Tombstones


def test_nothing_missing_marks_nothing():
    plan = plan_tombstones({1, 2}, {1, 2}, max_share=0.2)
    assert (plan.ids, plan.missing, plan.held_back) == (frozenset(), 0, None)


def test_rows_that_are_new_are_not_missing():
    assert plan_tombstones({1}, {1, 2, 3}, max_share=0.2).missing == 0


def test_a_few_missing_rows_are_marked():
    plan = plan_tombstones(set(range(10)), set(range(2, 10)), max_share=0.2)
    assert (plan.ids, plan.missing, plan.held_back) == ({0, 1}, 2, None)


def test_one_of_a_few_rows_may_go():
    """An account with three listings must be able to lose one."""
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
