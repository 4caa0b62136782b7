"""JSON and loosely typed values are read; what cannot be read becomes None and never an exception."""

import json
import math
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.values import (
    as_bool,
    as_date,
    as_decimal,
    as_instant,
    as_int,
    as_length,
    as_text,
    ids_under,
    newest,
    parse_json,
)

OF_SCALARS = (as_int, as_bool, as_text, as_decimal, as_instant, as_date)
READERS = (*OF_SCALARS, as_length, ids_under("id"))
OBJECTS_AND_LISTS: list[Any] = [[], [1], {}, {"id": 1}]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=5,
)
TEXT_LIKE_A_VALUE = st.text("0123456789-:. TZ+eEnaif_", max_size=40)


@pytest.mark.parametrize("read", READERS)
def test_null_is_none_for_every_reader(read):
    assert read(None) is None


@pytest.mark.parametrize("read", OF_SCALARS)
@pytest.mark.parametrize("value", OBJECTS_AND_LISTS)
def test_an_object_or_a_list_is_none_for_every_reader(read, value):
    assert read(value) is None


@given(ANY_JSON | TEXT_LIKE_A_VALUE)
def test_no_json_value_makes_a_reader_raise(value):
    for read in READERS:
        read(value)


# Ids


def test_an_id_may_come_as_digits_in_a_string():
    """`hostawayReservationId` is a string in one payload and an integer in the next."""
    assert as_int("13") == as_int(13) == 13


@pytest.mark.parametrize("value", [2**32, 2**63 - 1, -(2**63)])
def test_an_id_may_use_all_of_a_bigint(value):
    assert as_int(value) == value


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, str(2**63), "9" * 5000, 1e300])
def test_a_number_that_does_not_fit_a_bigint_is_no_id(value):
    assert as_int(value) is None


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_no_number(value):
    """Python would take True for 1, and so for the id 1."""
    assert as_int(value) is None


@pytest.mark.parametrize(
    "value", ["", "abc", "12abc", "10450-40160", "0\x1f", "\u20037", float("nan"), float("inf"), float("-inf")]
)
def test_what_is_not_a_whole_number_is_no_id(value):
    assert as_int(value) is None


def test_a_whole_number_written_as_a_float_is_that_number():
    """`personCapacity` may come as 6.0."""
    assert as_int(6.0) == 6


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_bigint_reads_the_same_as_a_number_and_as_text(number):
    assert as_int(number) == as_int(str(number)) == number


# Booleans


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, False), (1, True), ("0", False), ("1", True), (False, False), (True, True)],
)
def test_a_boolean_comes_in_three_forms(value, expected):
    assert as_bool(value) is expected


@pytest.mark.parametrize("value", [2, -1, "", "yes", float("nan")])
def test_anything_else_is_neither_true_nor_false(value):
    assert as_bool(value) is None


# Text


@pytest.mark.parametrize(("value", "expected"), [("", ""), ("0", "0"), ("Zoë 🏡", "Zoë 🏡")])
def test_text_is_kept_as_it_came(value, expected):
    assert as_text(value) == expected


def test_a_number_where_text_is_expected_becomes_its_digits():
    """A channel's reservation id may come as a number."""
    assert as_text(4711) == "4711"


def test_a_boolean_is_no_text():
    assert as_text(True) is None


# Money


@pytest.mark.parametrize("text", ["211.62", "0.1", "50.32", "4563.54", "0.07"])
def test_money_is_exact(text):
    """Decimal(211.62) would be 211.6200000000000045…: a cent lost somewhere down the line."""
    assert str(as_decimal(float(text))) == text


@given(st.integers(-(10**12), 10**12))
def test_any_amount_of_cents_survives_json(cents):
    amount = Decimal(cents) / 100
    assert as_decimal(json.loads(f"{amount:f}")) == amount


def test_money_may_come_as_text():
    assert as_decimal("211.62") == Decimal("211.62")


def test_an_amount_of_zero_is_an_amount():
    assert as_decimal(0) == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "NaN", "sNaN", "Infinity"])
def test_not_a_number_and_infinity_are_no_money(value):
    """Postgres' numeric would store NaN, and every sum over it would be NaN."""
    assert as_decimal(value) is None


@pytest.mark.parametrize("value", ["", "1,234.50", "12 EUR", "abc", True])
def test_what_is_not_a_plain_number_is_no_money(value):
    assert as_decimal(value) is None


@pytest.mark.parametrize("value", [1e200, "1e999999", 1e-200])
def test_an_absurd_exponent_is_no_money(value):
    """A few bytes on the wire would become a thousand digits in the table."""
    assert as_decimal(value) is None


# Instants


def test_a_naive_datetime_is_utc():
    assert as_instant("2026-07-01 10:11:12") == datetime(2026, 7, 1, 10, 11, 12, tzinfo=UTC)


def test_an_instant_is_always_aware():
    instant = as_instant("2026-07-01 10:11:12")
    assert instant is not None
    assert instant.tzinfo is UTC


def test_an_offset_is_honoured_where_there_is_one():
    assert as_instant("2026-07-01T12:11:12+02:00") == datetime(2026, 7, 1, 10, 11, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "0000-00-00 00:00:00",
        "2026-00-00 00:00:00",
        "2026-02-30 00:00:00",
        "2026-07-01 25:00:00",
        "",
        "soon",
        1791201630,
    ],
)
def test_what_is_on_no_calendar_is_no_instant(value):
    """MySQL's zero date is Hostaway's way to say "never"."""
    assert as_instant(value) is None


@pytest.mark.parametrize("value", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"])
def test_an_offset_that_leads_off_the_calendar_is_no_instant(value):
    assert as_instant(value) is None


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 (naive is Hostaway's form)
def test_every_second_reads_back_as_written(naive):
    whole = naive.replace(microsecond=0)
    assert as_instant(whole.isoformat(sep=" ")) == whole.replace(tzinfo=UTC)


# Plain dates


def test_a_plain_date_has_no_time_and_no_zone():
    """Arrival is a day in the listing's own time zone: a shift to UTC would move the stay."""
    read = as_date("2026-07-01")
    assert (read, type(read)) == (date(2026, 7, 1), date)


def test_a_time_behind_a_date_is_cut_off():
    assert as_date("2026-07-01 23:59:59") == date(2026, 7, 1)


@pytest.mark.parametrize("value", ["0000-00-00", "2026-02-30", "", "July", 20260701])
def test_what_is_on_no_calendar_is_no_date(value):
    assert as_date(value) is None


# The newest of several


def test_newest_passes_over_what_is_missing():
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    assert newest(None, late, early, None) == late


@pytest.mark.parametrize("instants", [(), (None,), (None, None)])
def test_newest_of_nothing_is_none(instants):
    assert newest(*instants) is None


# Their limits


@pytest.mark.parametrize("value", [2.0**53, -(2.0**53)])
def test_the_largest_exact_float_is_an_id(value):
    assert as_int(value) == int(value)


def test_a_larger_float_may_stand_for_another_id():
    assert as_int(2.0**53 + 2) is None


@pytest.mark.parametrize("value", ["1e99", "9.99e99", "1e-99"])
def test_money_of_a_hundred_digits_is_still_read(value):
    assert as_decimal(value) == Decimal(value)


@pytest.mark.parametrize("value", ["1e100", "-1e100", "1e-100"])
def test_what_numeric_columns_cannot_hold_is_no_money(value):
    assert as_decimal(value) is None


@pytest.fixture
def somewhere_else(monkeypatch):
    """A machine whose clock is not set to UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("somewhere_else")
@pytest.mark.parametrize("text", ["2026-07-01 10:00:00", "2026-07-01T12:00:00+02:00"])
def test_an_instant_is_in_utc_wherever_the_machine_stands(text):
    assert as_instant(text) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert as_instant(text).tzinfo is UTC


# JSON

HALF = b'"\\ud83d"'  # half a surrogate pair: the fast parser refuses the whole text
VALID_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(categories=None), max_size=8),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=5), parts, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(VALID_JSON)
def test_whatever_is_json_is_read_as_it_was_written(value):
    assert parse_json(json.dumps(value).encode()) == value


def test_half_a_surrogate_pair_is_text():
    assert parse_json(b"[" + HALF + b"]") == ["\ud83d"]


@pytest.mark.parametrize("text", [b"", b" ", b"{", b"[1,]", b"<html></html>", b"\xff\xfe", b'{"a": undefined}', b"'a'"])
def test_text_that_is_not_json_is_none(text):
    assert parse_json(text) is None


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("beside", [b"1", HALF])
def test_nan_and_infinity_are_not_json(constant, beside):
    assert parse_json(b"[" + constant + b", " + beside + b"]") is None


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b"[" + HALF + b',{"a":' * 50_000])
def test_a_text_that_is_nested_without_end_is_none(text):
    assert parse_json(text) is None


@pytest.mark.parametrize("number", [-(2**63), 2**63, 2**64 - 1])
def test_integers_of_64_bits_are_exact(number):
    assert parse_json(b"[%d, %s]" % (number, HALF))[0] == number


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30])
def test_longer_integers_are_floats_for_both_parsers(number):
    """Nothing behind this can write them."""
    alone, beside_half = parse_json(b"[%d]" % number)[0], parse_json(b"[%d, %s]" % (number, HALF))[0]
    assert alone == beside_half == float(number)
    assert isinstance(beside_half, float)


@pytest.mark.parametrize("digits", [400, 5000])
def test_an_integer_beyond_every_float_stops_nobody(digits):
    """It is infinite, which is written as null: one absurd number must not cost the page around it."""
    parsed = parse_json(b"[" + b"9" * digits + b", 1]")
    assert math.isinf(parsed[0])
    assert orjson.dumps(parsed) == b"[null,1]"


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))
def test_no_content_raises(content):
    parse_json(content)


@pytest.mark.parametrize("number", [-1, -126, -127, -(2**63) + 1])
def test_negative_integers_are_integers_for_both_parsers(number):
    for text in (b"[%d]", b"[%d, " + HALF + b"]"):
        parsed = parse_json(text % number)[0]
        assert (parsed, type(parsed)) == (number, int)


@pytest.mark.parametrize("text", [b"[-9223372036854775808]", b"[-9223372036854775808, " + HALF + b"]"])
def test_the_lowest_bigint_is_an_integer_too(text):
    assert isinstance(parse_json(text)[0], int)


@pytest.mark.parametrize(("value", "length"), [([{}], 1), ([1, 2], 2), ([], None), ({"id": 1}, None), ("ab", None)])
def test_the_length_of_a_list(value, length):
    assert as_length(value) == length


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ([{"id": 5}, {"id": "6"}], [5, 6]),
        ([{"id": None}, {}, {"id": "x"}, "5", None, {"id": 7}], [7]),
        ([{"id": None}], None),
        ([], None),
        ({"id": 5}, None),
        ("5", None),
    ],
)
def test_ids_in_a_list_of_objects(value, ids):
    assert ids_under("id")(value) == ids
