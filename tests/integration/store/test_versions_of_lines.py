"""The finance lines of superseded states: the lines of before, also where lists lack them and they are read later."""

from tests.factories import reservation
from tests.integration.store.version_steps import LINES, Put, at, instant, versions_of


def test_finance_lines_of_the_old_state_are_kept_when_they_change(put: Put, url: str) -> None:
    put(reservation(updatedOn=at(1), financeField=LINES))
    put(reservation(updatedOn=at(2), financeField=LINES, status="modified"))
    put(reservation(updatedOn=at(3), financeField=[{**LINES[0], "total": 180}], status="modified"))
    put(reservation(updatedOn=at(4), financeField=[], status="modified"))
    line = {"name": "baseRate", "type": "accommodation", "total": 200, "is_included": True, "is_deleted": None}
    assert [(row["valid_to"], row["finance_lines"]) for row in versions_of(url)] == [
        (instant(2), None),
        (instant(3), [line]),
        (instant(4), [{**line, "total": 180}]),
    ]


def test_lines_that_are_read_later_belong_to_the_state_that_they_came_with(put: Put, url: str) -> None:
    """Where lists lack `financeField`, the lines of a changed reservation are read by id afterwards."""
    other = [{**LINES[0], "total": 150}]
    put(reservation(updatedOn=at(1), financeField=LINES))
    put(reservation(updatedOn=at(2), totalPrice=150))  # stored with the lines of before, which are in doubt
    put(reservation(updatedOn=at(3), totalPrice=150, status="modified"))
    put(reservation(updatedOn=at(3), totalPrice=150, status="modified", financeField=other))
    first, second = versions_of(url)
    assert (first["valid_to"], [line["total"] for line in first["finance_lines"]]) == (instant(2), [200])
    assert (second["valid_to"], second["finance_lines"]) == (instant(3), None)


def test_lines_that_changed_beside_nothing_else_make_a_version_when_they_are_read(put: Put, url: str) -> None:
    put(reservation(updatedOn=at(1), financeField=LINES))
    put(reservation(updatedOn=at(2), guestName="Another"))
    assert versions_of(url) == []
    put(reservation(updatedOn=at(2), guestName="Another", financeField=[]))
    [row] = versions_of(url)
    assert (row["valid_to_source"], [line["total"] for line in row["finance_lines"]]) == ("seen", [200])
