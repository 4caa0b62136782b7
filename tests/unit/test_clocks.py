"""Which of two contents is newer, and which of Hostaway's times are believed."""

from datetime import UTC, datetime, timedelta

import pytest

from hostaway_pipeline.domain.clocks import SKEW, Version, is_newer, plausible_time
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, MESSAGES, RESERVATIONS

START = datetime(2026, 6, 5, 12, tzinfo=UTC)
TRUST = timedelta(seconds=300)


def at(second: float | None) -> datetime | None:
    return None if second is None else START + timedelta(seconds=second)


def version(said: float | None, read: float | None, *, is_deleted: bool = False) -> Version:
    return Version(at(said), at(read), is_deleted)


# What comes, what is stored, and whether it replaces that: as a read, as an event. Seconds; Hostaway's time first.
CASES = [
    ("newer by both clocks", (10, 10), (0, 0), True, True),
    ("older by both clocks", (0, 0), (10, 10), False, False),
    ("newer by Hostaway's clock, heard of earlier", (10, 0), (0, 10), True, True),
    ("older by Hostaway's clock, heard of a moment later", (0, 20), (10, 10), False, False),
    ("older by Hostaway's clock, heard of just within the span", (0, 310), (10, 10), False, False),
    ("older by Hostaway's clock, heard of after the span", (0, 311), (10, 10), True, False),
    ("without a clock, heard of later", (None, 20), (10, 10), True, True),
    ("without a clock, heard of earlier", (None, 0), (10, 10), False, False),
    ("a clock where none was, heard of later", (0, 20), (None, 10), True, True),
    ("a clock where none was, heard of earlier", (0, 0), (None, 10), False, False),
    ("equal clocks, heard of later", (10, 20), (10, 10), True, True),
    ("equal clocks, heard of earlier", (10, 0), (10, 10), False, False),
    ("equal in both", (10, 10), (10, 10), True, True),
    ("nobody knows when it was heard of", (10, None), (10, 10), True, True),
    ("nobody knows when the stored one was", (10, 10), (10, None), True, True),
    ("no clocks and no moments", (None, None), (None, None), True, True),
]


@pytest.mark.parametrize(
    ("incoming", "stored", "as_read", "as_event"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_newer(incoming, stored, as_read, as_event):
    found = [is_newer(version(*incoming), version(*stored), is_read=is_read, trust=TRUST) for is_read in (True, False)]
    assert found == [as_read, as_event]


@pytest.mark.parametrize(
    ("incoming", "is_read", "expected"),
    [
        ((0, 20), True, True),  # whatever its clock says: it is there
        ((20, 5), True, False),  # changed, and deleted then
        ((20, 5), False, False),
        ((20, 20), False, True),
        ((0, 20), False, False),  # a late delivery of what is gone
    ],
)
def test_a_deleted_row_comes_back_by_a_later_question(incoming, is_read, expected):
    stored = version(10, 10, is_deleted=True)
    assert is_newer(version(*incoming), stored, is_read=is_read, trust=TRUST) is expected


def test_a_time_ahead_of_ours_is_not_plausible():
    heard_at = START
    assert plausible_time(heard_at + SKEW, heard_at) == heard_at + SKEW
    assert plausible_time(heard_at + SKEW + timedelta(seconds=1), heard_at) is None
    assert plausible_time(None, heard_at) is None


def test_without_a_moment_nobody_can_tell():
    assert plausible_time(START, None) == START


@pytest.mark.parametrize(
    ("entity", "key"),
    [
        (LISTINGS, "latestActivityOn"),
        (RESERVATIONS, "updatedOn"),
        (CONVERSATIONS, "messageReceivedOn"),
        (MESSAGES, "updatedOn"),
    ],
)
def test_a_row_knows_that_its_time_lies_ahead(entity, key):
    ahead = entity.row({"id": 1, key: "2099-01-01 00:00:00"}, START)
    right = entity.row({"id": 1, key: "2026-06-05 11:00:00"}, START)
    assert ahead is not None
    assert right is not None
    assert (ahead.source_updated_at, ahead.is_ahead) == (None, True)
    assert (right.source_updated_at, right.is_ahead) == (START - timedelta(hours=1), False)
