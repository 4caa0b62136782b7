"""Older events: which are late enough for a read, and which leave a doubt."""

from datetime import UTC, datetime, timedelta

import pytest

from hostaway_pipeline.domain.clocks import Version
from hostaway_pipeline.domain.entities import Row
from hostaway_pipeline.domain.verdicts import Candidate, StoredObject, Verdict, decide

KEYS = frozenset({"id", "status"})
START = datetime(2026, 6, 1, tzinfo=UTC)
TRUST = timedelta(seconds=300)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def came(event_id: int, said: float, received: float, content: str) -> Candidate:
    return Candidate(event_id, Row(1, "{}", content.encode(), at(said), (), at(received)), KEYS)


def stored(said: float, received: float | None, content: str) -> StoredObject:
    return StoredObject(content.encode(), Version(at(said), None if received is None else at(received)), KEYS)


def verdict(*candidates: Candidate, known: StoredObject | None) -> Verdict:
    return decide(candidates, known, TRUST)


def test_an_older_event_within_the_span_is_stale_and_leaves_a_doubt() -> None:
    assert verdict(came(7, 1, 310, "b"), known=stored(5, 10, "a")) == Verdict(None, False, (), (7,), (), at(310))


def test_an_older_event_after_the_span_is_read_for() -> None:
    assert verdict(came(7, 1, 311, "b"), known=stored(5, 10, "a")) == Verdict(None, True, (), (), (7,), None)


def test_only_the_late_ones_wait_for_the_read() -> None:
    found = verdict(came(6, 1, 20, "b"), came(7, 2, 400, "c"), known=stored(5, 10, "a"))
    assert found == Verdict(None, True, (), (6,), (7,), None)


@pytest.mark.parametrize("received", [20, 400])
def test_an_older_event_with_what_is_stored_is_nothing_to_ask_about(received: float) -> None:
    assert verdict(came(7, 1, received, "a"), known=stored(5, 10, "a")) == Verdict(None, False, (), (7,), (), None)


def test_an_older_event_that_came_before_leaves_no_doubt() -> None:
    assert verdict(came(7, 1, 9, "b"), known=stored(5, 10, "a")) == Verdict(None, False, (), (7,), (), None)


def test_without_a_moment_of_what_is_stored_nobody_can_tell() -> None:
    assert verdict(came(7, 1, 400, "b"), known=stored(5, None, "a")) == Verdict(None, False, (), (7,), (), None)


def test_the_newest_doubt_is_told() -> None:
    found = verdict(came(6, 1, 20, "b"), came(7, 2, 30, "c"), came(8, 3, 25, "d"), known=stored(5, 10, "a"))
    assert (found.stale, found.doubted_at) == ((6, 7, 8), at(30))


def test_what_the_winner_passed_over_leaves_a_doubt_if_it_came_later() -> None:
    found = verdict(came(1, 2, 10, "b"), came(2, 1, 11, "c"), known=None)
    assert (found.applied, found.stale, found.doubted_at) == ((1,), (2,), at(11))
    assert found.row is not None
    assert found.row.content_hash == b"b"


def test_what_the_winner_passed_over_leaves_none_if_it_came_before_or_says_the_same() -> None:
    assert verdict(came(1, 2, 10, "b"), came(2, 1, 9, "c"), known=None).doubted_at is None
    assert verdict(came(1, 2, 10, "b"), came(2, 1, 11, "b"), known=None).doubted_at is None


def test_a_newer_event_is_merged_beside_a_late_one_without_a_read() -> None:
    found = verdict(came(1, 9, 400, "b"), came(2, 1, 401, "c"), known=stored(5, 10, "a"))
    assert (found.must_be_read, found.applied, found.stale, found.late) == (False, (1,), (2,), ())
    assert found.doubted_at == at(401)


def test_where_the_object_is_read_in_any_case_nobody_waits_longer() -> None:
    unreadable = Candidate(1, row=None)
    found = verdict(unreadable, came(2, 1, 400, "c"), known=stored(5, 10, "a"))
    assert found == Verdict(None, True, (1,), (2,), (), None)


def test_a_tie_with_a_list_that_lacks_the_optional_key_needs_no_read() -> None:
    """The event's hash begins with the stored one: it only adds what lists do not carry."""
    found = verdict(came(1, 5, 20, "aaaafinance"), known=stored(5, 10, "aaaa"))
    assert (found.must_be_read, found.applied) == (False, (1,))
    assert verdict(came(1, 5, 20, "bbbb"), known=stored(5, 10, "aaaa")).must_be_read
