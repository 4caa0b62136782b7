"""Conversations of a generated account: hosts who answer at a human pace, and automated messages."""

from datetime import datetime
from statistics import mean, median


def answers(account):
    """Minutes from a guest's message to the human answer that follows it, by the hour of the message."""
    for thread in account.conversations.values():
        waiting = None
        for message in sorted(thread.visible(), key=lambda message: message.date):
            if message.is_incoming:
                waiting = waiting or message
            elif waiting and not message.is_automated:
                asked, told = (datetime.fromisoformat(one.date) for one in (waiting, message))
                yield asked.hour, (told - asked).total_seconds() / 60
                waiting = None


def test_hosts_answer_within_minutes_or_hours_and_slower_at_night(large_account):
    day_times, nights = [], []
    for hour, minutes in answers(large_account):
        (day_times if 8 <= hour < 18 else nights if hour >= 22 or hour < 4 else []).append(minutes)
    assert 5 < median(day_times) < 120
    assert median(nights) > 2 * median(day_times)


def test_some_messages_are_automated(large_account):
    """Only automated messages name an automation."""
    automated = [row for row in large_account.truth("messages") if row["communicationId"]]
    assert automated
    assert {(row["isIncoming"], row["sentUsingHostaway"]) for row in automated if row["status"] == "sent"} == {(0, 1)}
    assert {"reservationCreated", "checkIn"} <= {row["communicationEvent"] for row in automated}
    assert len(automated) < 0.4 * sum(1 for _ in large_account.truth("messages"))


def test_a_conversation_begins_when_its_reservation_does(large_account):
    for thread in large_account.conversations.values():
        row = large_account.reservations.get(thread.reservation_id or 0)
        if row and thread.visible():
            first = min(message.date for message in thread.visible())
            assert row.own["insertedOn"] <= first


def test_some_guests_have_no_answer_yet(large_account):
    newest = [max(t.visible(), key=lambda m: m.date) for t in large_account.conversations.values() if t.visible()]
    assert 0.05 < mean(message.is_incoming for message in newest) < 0.6


def test_guests_write_first(large_account):
    for thread in large_account.conversations.values():
        people = [message for message in thread.visible() if not message.is_automated]
        if people:
            first = min(message.date for message in people)
            assert any(message.is_incoming for message in people if message.date == first)
