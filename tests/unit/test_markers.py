"""A new message moves its conversation's marker forward, never back, until Hostaway is asked again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES, Row
from hostaway_pipeline.domain.markers import advance_markers, advanced_row, conversation_of

CONVERSATION = {"id": 5, "reservationId": 7, "messageSentOn": "2026-06-01 10:00:00", "messageReceivedOn": None}


def message(date: str | None = "2026-06-02 10:00:00", **changes: Any) -> Row:
    row = MESSAGES.row({"id": 1, "conversationId": 5, "isIncoming": 1, "date": date, **changes})
    assert row is not None
    return row


def markers(*messages: Row) -> tuple[Any, Any] | None:
    changed = advance_markers(CONVERSATION, messages)
    return None if changed is None else (changed["messageSentOn"], changed["messageReceivedOn"])


def test_a_message_knows_its_conversation():
    assert conversation_of(message()) == 5
    assert conversation_of(message(conversationId=None)) is None


def test_the_guests_message_moves_the_marker_of_what_was_received():
    assert markers(message()) == ("2026-06-01 10:00:00", "2026-06-02 10:00:00")


@pytest.mark.parametrize("flag", [0, False, "0", None])
def test_any_other_message_moves_the_marker_of_what_was_sent(flag):
    assert markers(message(isIncoming=flag)) == ("2026-06-02 10:00:00", None)


@pytest.mark.parametrize("date", ["2026-06-01 10:00:00", "2026-05-31 10:00:00", None, "nonsense"])
def test_a_message_that_is_not_newer_moves_nothing(date):
    assert markers(message(date, isIncoming=0)) is None


def test_no_message_moves_nothing():
    assert markers() is None
    assert advanced_row(CONVERSATION, []) is None


def test_both_markers_may_move_at_once():
    both = markers(message("2026-06-03 00:00:00"), message("2026-06-04 00:00:00", isIncoming=0))
    assert both == ("2026-06-04 00:00:00", "2026-06-03 00:00:00")


def test_everything_else_stays_and_the_original_is_left_alone():
    before = dict(CONVERSATION)
    changed = advance_markers(CONVERSATION, [message()])
    assert changed == {**before, "messageReceivedOn": "2026-06-02 10:00:00"}
    assert before == CONVERSATION


def test_a_fraction_of_a_second_is_cut_as_hostaway_writes_it():
    assert markers(message("2026-06-02 10:00:00.75")) == ("2026-06-01 10:00:00", "2026-06-02 10:00:00")


def test_the_row_is_the_moved_conversation():
    row = advanced_row(CONVERSATION, [message()])
    assert row == CONVERSATIONS.row({**CONVERSATION, "messageReceivedOn": "2026-06-02 10:00:00"})


@given(st.lists(st.tuples(st.integers(1, 28), st.booleans()), max_size=6), st.randoms())
def test_the_newest_of_each_direction_counts_in_any_order(days, random):
    messages = [message(f"2026-07-{day:02} 00:00:00", isIncoming=int(is_incoming)) for day, is_incoming in days]
    random.shuffle(messages)
    sent = max((day for day, is_incoming in days if not is_incoming), default=None)
    received = max((day for day, is_incoming in days if is_incoming), default=None)
    wanted = (
        f"2026-07-{sent:02} 00:00:00" if sent else CONVERSATION["messageSentOn"],
        f"2026-07-{received:02} 00:00:00" if received else None,
    )
    assert markers(*messages) == (wanted if days else None)
