"""What the events of one object come to: the newest by Hostaway's clock, whatever the order of their arrival."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.clocks import Version
from hostaway_pipeline.domain.entities import Row
from hostaway_pipeline.domain.verdicts import Candidate, StoredObject, Verdict, decide

KEYS = frozenset({"id", "status"})
START = datetime(2026, 6, 1, tzinfo=UTC)


def at(hour: int | None) -> datetime | None:
    return None if hour is None else START + timedelta(hours=hour)


def candidate(
    event_id: int, hour: int | None, content: str = "a", keys: frozenset[str] = KEYS, *, is_incomplete: bool = False
) -> Candidate:
    row = Row(id=1, payload="{}", content_hash=content.encode(), source_updated_at=at(hour), values=())
    return Candidate(event_id, row, keys, is_incomplete)


def unreadable(event_id: int) -> Candidate:
    return Candidate(event_id, row=None)


def row_at(
    hour: int | None, content: str = "a", keys: frozenset[str] = KEYS, *, is_deleted: bool = False
) -> StoredObject:
    return StoredObject(content.encode(), Version(at(hour), None, is_deleted), keys)


def merged(verdict: Verdict) -> str | None:
    return verdict.row.content_hash.decode() if verdict.row else None


def outcome(verdict: Verdict) -> tuple[str | None, bool, set[int], set[int]]:
    return merged(verdict), verdict.must_be_read, set(verdict.applied), set(verdict.stale)


# The table: candidates, what is stored, and what they come to (content to merge, must be read, applied, stale)

MERGE, READ = False, True
CASES = [
    ("nothing came", [], row_at(1), (None, MERGE, set(), set())),
    ("the first of an unknown object", [candidate(1, 1)], None, ("a", MERGE, {1}, set())),
    ("newer than what is stored", [candidate(1, 2, "b")], row_at(1), ("b", MERGE, {1}, set())),
    ("newer, and only volatile keys moved", [candidate(1, 2, "a")], row_at(1), ("a", MERGE, {1}, set())),
    ("older than what is stored", [candidate(1, 1, "b")], row_at(2), (None, MERGE, set(), {1})),
    ("a tie with the same content", [candidate(1, 1)], row_at(1), ("a", MERGE, {1}, set())),
    ("a tie with other content", [candidate(1, 1, "b")], row_at(1), (None, READ, {1}, set())),
    ("two that came in order", [candidate(1, 1), candidate(2, 2, "b")], None, ("b", MERGE, {2}, {1})),
    ("two that came in the wrong order", [candidate(1, 2, "b"), candidate(2, 1)], None, ("b", MERGE, {1}, {2})),
    (
        "one older and one newer than stored",
        [candidate(1, 1), candidate(2, 3, "b")],
        row_at(2),
        ("b", MERGE, {2}, {1}),
    ),
    ("two equal ones", [candidate(1, 1), candidate(2, 1)], None, ("a", MERGE, {1, 2}, set())),
    ("two of one time that differ", [candidate(1, 1), candidate(2, 1, "b")], None, (None, READ, {1, 2}, set())),
    (
        "a tie that something newer settles",
        [candidate(1, 1), candidate(2, 1, "b"), candidate(3, 2, "c")],
        None,
        ("c", MERGE, {3}, {1, 2}),
    ),
    (
        "the same time as stored, and something newer",
        [candidate(1, 1, "x"), candidate(2, 2, "b")],
        row_at(1),
        ("b", MERGE, {2}, {1}),
    ),
    ("no time", [candidate(1, None)], row_at(1), (None, READ, {1}, set())),
    ("no time, of an unknown object", [candidate(1, None)], None, (None, READ, {1}, set())),
    (
        "no time beside one with a time",
        [candidate(1, None), candidate(2, 2)],
        row_at(1),
        (None, READ, {1, 2}, set()),
    ),
    ("no time beside one that is stale", [candidate(1, None), candidate(2, 0)], row_at(1), (None, READ, {1}, {2})),
    ("no row", [unreadable(1)], row_at(1), (None, READ, {1}, set())),
    ("no row beside one that is newer", [candidate(1, 2), unreadable(2)], row_at(1), (None, READ, {1, 2}, set())),
    ("keys that no column may lack", [candidate(1, 2, is_incomplete=True)], None, (None, READ, {1}, set())),
    (
        "an incomplete one that a newer one passes over",
        [candidate(1, 1, is_incomplete=True), candidate(2, 2, "b")],
        None,
        ("b", MERGE, {2}, {1}),
    ),
    ("a stored key is missing", [candidate(1, 2, keys=frozenset({"id"}))], row_at(1), (None, READ, {1}, set())),
    ("a new key", [candidate(1, 2, "b", KEYS | {"new"})], row_at(1), ("b", MERGE, {1}, set())),
    ("stored as deleted", [candidate(1, 2)], row_at(1, is_deleted=True), (None, READ, {1}, set())),
    ("stored as deleted, and stale", [candidate(1, 1)], row_at(2, is_deleted=True), (None, MERGE, set(), {1})),
    ("stored without a time", [candidate(1, 2)], row_at(None), (None, READ, {1}, set())),
]


@pytest.mark.parametrize(
    ("candidates", "stored", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_events_come_to(candidates, stored, wanted):
    assert outcome(decide(candidates, stored)) == wanted


# Whatever the order

ARRIVALS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 4),
        st.sampled_from("abc"),
        st.sampled_from([KEYS, KEYS | {"more"}, frozenset({"id"})]),
        st.booleans(),
        st.integers(0, 9).map(lambda one: one > 0),
    ),
    max_size=6,
).map(
    lambda many: [
        candidate(number, hour, content, keys, is_incomplete=is_incomplete) if has_row else unreadable(number)
        for number, (hour, content, keys, is_incomplete, has_row) in enumerate(many)
    ]
)
KNOWN = st.none() | st.builds(
    row_at,
    st.none() | st.integers(0, 4),
    st.sampled_from("abc"),
    st.sampled_from([KEYS, KEYS | {"more"}]),
    is_deleted=st.booleans(),
)


@given(ARRIVALS, KNOWN, st.randoms())
def test_the_order_of_arrival_means_nothing(candidates, stored, random):
    shuffled = random.sample(candidates, len(candidates))
    assert outcome(decide(shuffled, stored)) == outcome(decide(candidates, stored))


@given(ARRIVALS, KNOWN)
def test_every_event_ends_exactly_once(candidates, stored):
    verdict = decide(candidates, stored)
    assert sorted(verdict.applied + verdict.stale) == [candidate.event_id for candidate in candidates]


@given(ARRIVALS, KNOWN)
def test_what_is_merged_is_the_newest_of_all(candidates, stored):
    verdict = decide(candidates, stored)
    if verdict.row is not None:
        newest = verdict.row.source_updated_at
        assert all(one.source_updated_at is not None and one.source_updated_at <= newest for one in candidates)
        assert stored is None or stored.version.source_updated_at <= newest


@given(ARRIVALS, KNOWN)
def test_nothing_is_both_merged_and_read(candidates, stored):
    verdict = decide(candidates, stored)
    assert not (verdict.must_be_read and verdict.row)
    assert (verdict.must_be_read or verdict.row is not None) == bool(verdict.applied)


# A history, delivered late, twice and in pieces


class TinyStore:
    """One object: what is merged is kept, what must be read is what Hostaway has by then."""

    def __init__(self, truth: Row) -> None:
        self._truth = truth
        self.row: Row | None = None
        self.reads = 0

    def apply(self, batch: Sequence[Candidate]) -> None:
        stored = self.row and StoredObject(self.row.content_hash, self.row.version, KEYS)
        verdict = decide(batch, stored)
        if verdict.must_be_read:
            self.reads += 1
        self.row = self._truth if verdict.must_be_read else verdict.row or self.row


@st.composite
def histories(draw):
    """Contents of the versions, strictly newer one by one, and the batches in which their deliveries arrive."""
    contents = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=8))
    copies = [draw(st.integers(1, 3)) for _ in contents]
    deliveries = draw(st.permutations([n for n, times in enumerate(copies) for _ in range(times)]))
    cuts = sorted(draw(st.sets(st.integers(1, len(deliveries)), max_size=5)) | {0, len(deliveries)})
    return contents, [deliveries[start:end] for start, end in pairwise(cuts)]


@given(histories())
def test_every_history_ends_at_its_last_version_and_asks_nobody(history):
    contents, batches = history
    events = iter(range(1000))
    newest = candidate(0, len(contents) - 1, contents[-1]).row
    assert newest is not None
    store = TinyStore(newest)
    for batch in batches:
        store.apply([candidate(next(events), version, contents[version]) for version in batch])
    assert store.row == newest
    assert store.reads == 0, "strictly increasing times leave nothing to ask"


@given(histories())
def test_versions_within_one_second_end_at_the_last_one_too(history):
    """Hostaway's clock ticks in seconds: what it cannot settle is read."""
    contents, batches = history
    events = iter(range(1000))
    newest = candidate(0, (len(contents) - 1) // 2, contents[-1]).row
    assert newest is not None
    store = TinyStore(newest)
    for batch in batches:
        store.apply([candidate(next(events), version // 2, contents[version]) for version in batch])
    assert store.row == newest
