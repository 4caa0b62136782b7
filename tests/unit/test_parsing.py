"""JSON as Hostaway writes it: a little more than the fast parser takes, and nothing that cannot be stored."""

import json
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.parsing import parse_json

HALF = b'"\\ud83d"'  # half a surrogate pair: the fast parser refuses the whole text
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(categories=None), max_size=8),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=5), parts, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(JSON)
def test_whatever_is_json_is_read_as_it_was_written(value):
    assert parse_json(json.dumps(value).encode()) == value


def test_half_a_surrogate_pair_is_text():
    assert parse_json(b"[" + HALF + b"]") == ["\ud83d"]


@pytest.mark.parametrize("text", [b"", b" ", b"{", b"[1,]", b"<html></html>", b"\xff\xfe", b'{"a": undefined}', b"'a'"])
def test_what_is_no_json_is_none(text):
    assert parse_json(text) is None


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("beside", [b"1", HALF])
def test_nan_and_infinity_are_no_json(constant, beside):
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
