"""Finance lines are read whatever their values are, and what cannot be read is named."""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given

from hostaway_pipeline.domain.finance_lines import LINE_COLUMNS, read_lines
from tests.unit.test_values import ANY_JSON

LINE = {
    "id": 7,
    "type": "accomodation",
    "name": "baseRate",
    "title": "Base rate",
    "isIncludedInTotalPrice": 1,
    "isDeleted": 0,
    "value": 5,
    "total": 90.5,
}


def test_a_line():
    found = read_lines({"financeField": [{}, LINE]})
    assert found.lines[1] == {
        "line_no": 2,
        "source_id": 7,
        "name": "baseRate",
        "title": "Base rate",
        "type": "accomodation",
        "total": Decimal("90.5"),
        "is_included": True,
        "is_deleted": False,
    }
    assert found.lines[0] == {"line_no": 1, **dict.fromkeys(LINE_COLUMNS)}
    assert found.unreadable == set()


@pytest.mark.parametrize("payload", [{}, {"financeField": None}, {"financeField": []}, {"financeField": ""}])
def test_no_lines(payload):
    assert read_lines(payload) == ([], set())


@pytest.mark.parametrize("value", ["lines", {"id": 1}, 5, True])
def test_what_is_no_list_is_unreadable(value):
    assert read_lines({"financeField": value}) == ([], {"financeField"})


def test_what_is_no_line_is_left_out_and_the_others_keep_their_positions():
    found = read_lines({"financeField": ["a line", LINE, None]})
    assert [line["line_no"] for line in found.lines] == [2]
    assert found.unreadable == {"financeField"}


@pytest.mark.parametrize(
    ("change", "unreadable"),
    [
        ({"total": "many"}, {"financeField.total"}),
        ({"total": "12.50"}, set()),
        ({"total": ""}, set()),
        ({"total": None, "name": [], "title": {}}, set()),
        ({"isDeleted": "no", "name": {"en": "Base"}}, {"financeField.isDeleted", "financeField.name"}),
        ({"value": "many"}, set()),  # no column is read from it
    ],
)
def test_values_that_cannot_be_read_are_named(change, unreadable):
    assert read_lines({"financeField": [LINE | change]}).unreadable == unreadable


@given(ANY_JSON, ANY_JSON)
def test_nothing_raises_and_everything_can_be_written(value, part):
    for raw in (value, [value], [{key: part for key, _ in LINE_COLUMNS.values()}]):
        found = read_lines({"financeField": raw})
        orjson.dumps([{**line, "name": None, "title": None, "type": None} for line in found.lines], default=str)
