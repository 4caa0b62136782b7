"""Trails: what was changed forwards comes out of a replay backwards."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hostaway_pipeline.domain.trail_entries import VERSIONED, read_trail
from hostaway_pipeline.domain.trails import State, replay
from hostaway_pipeline.store.schema import reservations

START = datetime(2025, 3, 1, 9, tzinfo=UTC)
KEYS = {
    "status": "status",
    "arrival_date": "arrivalDate",
    "total_price": "totalPrice",
    "number_of_guests": "numberOfGuests",
    "baseRate": "baseRate",
}
LINE = {"name": "baseRate", "type": "accomodation", "is_included": True, "is_deleted": False}
VALUES = {
    "status": st.sampled_from(["new", "modified", "cancelled", "ownerStay"]),
    "arrival_date": st.dates(date(2025, 5, 1), date(2025, 5, 9)),
    "total_price": st.integers(1, 5).map(Decimal),
    "number_of_guests": st.integers(1, 5),
    "baseRate": st.integers(1, 5).map(Decimal),
}
BORN = {"status": "new", "arrival_date": date(2025, 5, 2), "total_price": Decimal(3), "number_of_guests": 2}
BORN |= {"baseRate": Decimal(2)}

histories = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(sorted(VALUES))).flatmap(
        lambda step: VALUES[step[1]].map(lambda value: (*step, value))
    ),
    max_size=12,
)
"""Changes in order: hours since the one before, field, value."""


def entry(at, key, previous, new, source=None):
    return {
        "source": source or ("financeStandardField" if key == "baseRate" else "reservation"),
        "updatedField": key,
        "previousValue": "" if previous is None else str(previous),
        "newValue": "" if new is None else str(new),
        "insertedOn": at.strftime("%Y-%m-%d %H:%M:%S"),
        "updatedByUserName": "anna@example.com",
    }


def live(history):
    """The states with the times at which they begin, and the entries, newest first, that a history leaves."""
    at, now = START, dict(BORN)
    states = [(at, dict(now))]
    entries = [entry(at, KEYS[name], None, value) for name, value in now.items()]
    for hours, name, value in history:
        at += timedelta(hours=hours)
        if now[name] != value:
            entries.append(entry(at, KEYS[name], now[name], value))
            now[name] = value
            states.append((at, dict(now)))
    return states, entries[::-1]


def state_of(values):
    return State({name: values[name] for name in KEYS if name != "baseRate"}, [LINE | {"total": values["baseRate"]}])


def flat(state, lines):
    return dict(state.values) | {"baseRate": lines[0]["total"]}


def read_back(replayed, present):
    """The states with their beginnings, the present one last; a version without lines has those of the next."""
    found, lines, began = [], present.lines, replayed.versions[-1].valid_to if replayed.versions else START
    found.append((began, flat(present, lines)))
    for version in reversed(replayed.versions):
        lines = version.state.lines if version.state.lines is not None else lines
        found.append((version.valid_from, flat(version.state, lines)))
    return found[::-1]


def distinct(states):
    """The last state of each moment, without those that are as before."""
    kept = []
    for at, values in states:
        if kept and kept[-1][0] == at:
            kept.pop()
        if not kept or kept[-1][1] != values:
            kept.append((at, values))
    return kept


@settings(max_examples=50)
@given(histories)
def test_a_replay_gives_every_state_that_there_was(history):
    states, entries = live(history)
    present = state_of(states[-1][1])
    replayed = replay(read_trail(entries), present)
    assert replayed.outcome == "whole"
    assert read_back(replayed, present) == distinct(states)
    assert not any(version.is_reconstructed for version in replayed.versions)


@settings(max_examples=50)
@given(histories, st.data())
def test_changes_after_the_state_do_not_count(history, data):
    """The copy may be older than the trail, even by changes that it never saw."""
    states, entries = live(history)
    stored = data.draw(st.integers(0, len(states) - 1))
    at, values = states[stored]
    assume(all(later > at for later, _ in states[stored + 1 :]))
    expected = distinct(states[: stored + 1])
    replayed = replay(read_trail(entries), state_of(values), known_at=at, until=at)
    assert (replayed.outcome, read_back(replayed, state_of(values))) == ("whole", expected)
    assert replay(read_trail(entries), state_of(values), known_at=at).outcome == "whole"


@settings(max_examples=50)
@given(histories, st.data())
def test_a_lost_entry_is_a_contradiction(history, data):
    states, entries = live(history)
    changes = [place for place, one in enumerate(entries) if one["previousValue"]]
    assume(changes)
    lost = data.draw(st.sampled_from(changes))
    trail = read_trail([*entries[:lost], *entries[lost + 1 :]])
    replayed = replay(trail, state_of(states[-1][1]), known_at=states[-1][0])
    assert replayed.outcome == "contradictory"
    assert all(version.is_reconstructed for version in replayed.versions)


@settings(max_examples=50)
@given(histories, st.data())
def test_a_cut_trail_gives_the_newer_states_and_flags_the_oldest(history, data):
    states, entries = live(history)
    since = data.draw(st.sampled_from([at for at, _ in states])) + timedelta(seconds=1)
    kept = [one for one in entries if datetime.fromisoformat(one["insertedOn"]).replace(tzinfo=UTC) >= since]
    present = state_of(states[-1][1])
    replayed = replay(read_trail(kept), present)
    assert replayed.outcome == ("cut" if kept else "missing")
    newer = [(at, values) for at, values in distinct(states) if at >= since]
    if newer and states[-1][1]["status"] != "cancelled":
        assert read_back(replayed, present)[-len(newer) :] == newer
        flags = [version.is_reconstructed for version in replayed.versions]
        assert flags == [True, *[False] * (len(flags) - 1)]
        assert replayed.versions[0].valid_from is None


def test_a_cancelled_reservation_whose_trail_has_lost_that_was_new_before():
    present = State({"status": "cancelled", "cancelled_on": date(2025, 4, 1), "number_of_guests": 2})
    changed = entry(datetime(2025, 4, 5, tzinfo=UTC), "numberOfGuests", 3, 2)
    replayed = replay(read_trail([changed]), present)
    assert replayed.outcome == "cut"
    seen = [(v.state.values["status"], v.valid_from, v.valid_to, v.is_reconstructed) for v in replayed.versions]
    cancelled_at = datetime(2025, 4, 1, tzinfo=UTC)
    assert seen == [
        ("new", None, cancelled_at, True),
        ("cancelled", cancelled_at, datetime(2025, 4, 5, tzinfo=UTC), True),
    ]


def test_a_line_that_is_gone_comes_back_as_what_it_was():
    """A cancellation takes the lines away; discounts are known by their names."""
    at = START + timedelta(hours=1)
    entries = [
        entry(at, "status", "new", "cancelled"),
        entry(at, "baseRate", 200, None),
        entry(at, "weeklyDiscount", "-20", "", source="financeStandardField"),
        entry(START, "status", None, "new"),
    ]
    [version] = replay(read_trail(entries), State({"status": "cancelled", "cancelled_on": at.date()}, [])).versions
    assert version.valid_from == START
    assert version.state.lines == [
        LINE | {"total": Decimal(200)},
        {"name": "weeklyDiscount", "type": "discount", "is_included": True, "is_deleted": False, "total": Decimal(-20)},
    ]


def test_lines_that_are_not_known_stay_unknown():
    entries = [entry(START + timedelta(hours=1), "baseRate", 200, 300), entry(START, "status", None, "new")]
    assert replay(read_trail(entries), State({"status": "new"})).versions == []


def test_dates_that_are_not_specified_move_without_an_entry():
    at = START + timedelta(hours=1)
    entries = [
        entry(at, "isDatesUnspecified", 0, 1),
        entry(at, "arrivalDate", "2025-05-02", "2025-02-28"),
        entry(START, "status", None, "inquiry"),
    ]
    present = State({"status": "inquiry", "is_dates_unspecified": True, "arrival_date": date(2025, 11, 3)})
    replayed = replay(read_trail(entries), present)
    assert (replayed.outcome, replayed.versions[0].state.values["arrival_date"]) == ("whole", date(2025, 5, 2))


@pytest.mark.parametrize(
    ("told", "held"), [("100.0000", 100), ("100.004", 100), ("", 0), ("0", None), ("2025-05-02 00:00:00", None)]
)
def test_spellings_of_a_value_do_not_contradict(told, held):
    key, name = ("arrivalDate", "arrival_date") if "-" in told else ("totalPrice", "total_price")
    held = date(2025, 5, 2) if "-" in told else held and Decimal(held)
    entries = [entry(START, "status", None, "new"), entry(START, key, None, told)]
    assert replay(read_trail(entries), State({"status": "new", name: held})).outcome == "whole"


@pytest.mark.parametrize(
    "garbled",
    [None, "text", {}, {"insertedOn": "0000-00-00 00:00:00"}, {"newValue": "soon", "updatedField": "arrivalDate"}],
)
def test_an_entry_that_cannot_be_read_makes_the_trail_doubtful(garbled):
    whole = [entry(START + timedelta(hours=1), "status", "new", "modified"), entry(START, "status", None, "new")]
    odd = whole[0] | garbled if garbled and isinstance(garbled, dict) else garbled
    trail = read_trail([odd, *whole])
    expected = "whole" if garbled == {} else "contradictory"
    assert replay(trail, State({"status": "modified"})).outcome == expected
    assert trail.entries == 3


def test_only_fields_that_are_versioned_are_kept_of_a_trail():
    entries = [entry(START, key, "a secret", "Anna") for key in ("guestName", "doorCode", "phone", "reservationUnit")]
    entries.append(entry(START, "My formula", "1", "2", source="financeCustomFormula"))
    trail = read_trail(entries)
    assert (trail.changes, trail.entries, trail.is_readable) == ([], 5, True)
    assert "anna" not in repr(read_trail([entry(START, "status", None, "new")])).lower()


def test_a_trail_that_comes_oldest_first_is_read_all_the_same():
    entries = [entry(START, "status", None, "new"), entry(START + timedelta(hours=1), "status", "new", "modified")]
    assert replay(read_trail(entries), State({"status": "modified"})).outcome == "whole"


def test_the_versioned_columns_are_columns_of_reservations():
    assert set(VERSIONED) <= {column.name for column in reservations.columns}
