"""What the order of Hostaway's reservations tells about new messages: nothing that moved may be taken for known."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.thread_order import Marker, ThreadOrder, is_newer, messages_known_until

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def at(seconds: int | None) -> Marker:
    return None if seconds is None else NOON + timedelta(seconds=seconds)


def order(
    stored: dict[int, int | None], *, known_until: int = 0, read: dict[int, int | None] | None = None
) -> ThreadOrder:
    made = ThreadOrder(NOON + timedelta(seconds=known_until))
    made.extend({one: at(marker) for one, marker in stored.items()})
    made.read |= {one: at(marker) for one, marker in (read or {}).items()}
    return made


# Overtaking


def test_a_reservation_before_one_with_a_newer_stored_marker_has_overtaken_it():
    assert order({7: -50, 8: None, 1: -10, 2: -20, 9: -70, 3: -30}).overtakers() == [7, 8, 9]


@pytest.mark.parametrize("stored", [{1: -10, 2: -20, 3: None}, {1: -10, 2: -10, 3: -10}, {1: None, 2: None}, {}])
def test_reservations_in_the_order_of_their_markers_have_overtaken_none(stored):
    assert order(stored).overtakers() == []


def test_a_later_page_shows_whom_an_earlier_one_has_overtaken():
    made = order({1: -40, 2: -50})
    made.extend({2: at(-1), 3: at(-20)})  # 2 has moved between the pages: it keeps its first place and marker
    assert (made.ids, made.overtakers()) == ([1, 2, 3], [1, 2])


def test_an_overtaker_without_a_newer_marker_shows_that_the_order_is_not_obeyed():
    made = order({7: -50, 8: None, 1: -10, 9: -70, 3: -30}, read={7: -5, 8: None, 1: -10})
    assert made.unmoved_overtakers() == [8]


# Down to the ground


def test_the_first_reservation_is_read_since_it_may_have_moved_without_overtaking():
    assert order({1: -10, 2: -20}).next_to_read() == 1
    assert order({1: None, 2: None}).next_to_read() == 1


def test_a_first_reservation_that_has_not_moved_is_the_ground():
    made = order({1: -10, 2: -20}, read={1: -10})
    assert (made.next_to_read(), made.is_grounded) == (None, True)


def test_behind_one_that_has_moved_the_next_one_is_read():
    made = order({1: -10, 2: -20}, read={1: 5})
    assert (made.next_to_read(), made.is_grounded) == (2, False)


def test_one_that_a_webhook_has_moved_is_no_ground_although_its_marker_is_stored():
    made = order({1: 5, 2: -20}, read={1: 5})
    assert (made.next_to_read(), made.is_grounded) == (2, False)


def test_one_of_the_second_at_which_knowledge_ends_is_no_ground():
    """Another message of that second may have come since then, and Hostaway may list it behind this one."""
    made = order({1: 0, 2: -20}, read={1: 0})
    assert made.next_to_read() == 2
    made.checks_ties = False
    assert made.is_grounded


def test_equal_markers_leave_no_room_for_a_newer_one():
    assert order({1: 3, 2: 3, 3: 3, 4: -20}, read={1: 3}).next_to_read() == 4


def test_one_read_as_an_overtaker_further_down_is_no_ground_for_those_above_it():
    made = order({1: 9, 2: 8, 5: -90, 3: -30}, read={5: -60})
    assert (made.next_to_read(), made.is_grounded) == (1, False)


def test_one_without_messages_is_the_ground():
    assert order({1: None}, read={1: None}).is_grounded


def test_one_whose_messages_are_deleted_may_hide_as_much_as_its_stored_marker():
    """Hostaway may list it where it was."""
    assert order({1: 5, 2: -20}, read={1: None}).next_to_read() == 2
    assert order({1: -10, 2: -20}, read={1: -90}).is_grounded


def test_a_page_on_which_all_have_moved_has_no_ground():
    made = order({1: -10, 2: -20}, read={1: 9, 2: 8})
    assert (made.next_to_read(), made.is_grounded) == (None, False)


# Is the order obeyed?


def test_an_order_is_believed_once_ten_different_markers_stand_in_it():
    assert order({one: -one for one in range(10)}).is_believable
    assert not order({one: -one for one in range(9)}).is_believable
    assert not order(dict.fromkeys(range(30), -7)).is_believable


def test_those_that_have_moved_are_no_evidence():
    stored = {0: None, **{one: -one for one in range(1, 11)}}
    assert order(stored).is_believable
    assert not order(stored, read={1: 5}).is_believable


# How far knowledge reaches


@pytest.mark.parametrize(
    ("newest", "until"),
    [
        pytest.param(-3600, -3599, id="its second is over"),
        pytest.param(-60, -59, id="just over"),
        pytest.param(-59, -59, id="perhaps not over, if our clock is ahead"),
        pytest.param(0, 0, id="the second of the request"),
        pytest.param(7, 0, id="came after the request"),
    ],
)
def test_knowledge_ends_with_the_newest_marker_and_with_the_request(newest, until):
    asked_at = NOON + timedelta(milliseconds=900)
    assert messages_known_until([None, at(newest), at(-9000)], asked_at) == at(until)


def test_a_marker_of_the_future_says_nothing():
    assert messages_known_until([at(90_000), at(-7)], NOON) == at(-7)


@pytest.mark.parametrize("seen", [[], [None], [at(90_000)]])
def test_without_markers_nothing_is_known(seen):
    assert messages_known_until(seen, NOON) is None


# All of it

STAMPS = st.integers(-6, -1)
ROWS = st.lists(st.tuples(STAMPS, st.one_of(st.none(), st.integers(0, 4)), st.booleans()), min_size=1, max_size=12)


@given(ROWS, st.randoms())
def test_whatever_has_moved_is_read(rows, random):
    """Rows are (marker at the last sync, marker of a message since then, whether a webhook told of it)."""
    actual = {one: at(before if since is None else since) for one, (before, since, _) in enumerate(rows)}
    told = {
        one: at(since if is_told and since is not None else before) for one, (before, since, is_told) in enumerate(rows)
    }
    ids = sorted(actual, key=lambda one: (actual[one], random.random()), reverse=True)
    made = ThreadOrder(NOON)
    made.extend({one: told[one] for one in ids})
    for one in made.overtakers():
        made.read[one] = actual[one]
    while (one := made.next_to_read()) is not None:
        made.read[one] = actual[one]
    assert all(made.has_moved(one) for one in made.overtakers())
    assert {one for one in ids if is_newer(actual[one], told[one])} <= made.read.keys()
    unmoved = [one for one in ids if actual[one] < NOON]
    assert len(made.read.keys() & unmoved) <= 1, "the ground"
