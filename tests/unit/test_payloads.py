"""What may be stored of a payload, and what of it counts as content."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.payloads import content_hash, is_secret, storable

# Written out and not imported: whoever drops a key from the list in the code has to meet this test.
SECRETS = ["cvc", "doorCode", "doorCodeInstruction", "doorSecurityCode", "guestAuthHash", "wifiPassword"]
CARD_KEYS = ["ccNumber", "ccName", "ccExpirationYear", "ccExpirationMonth", "ccNumberEndingDigits"]
REPLACED = "\N{REPLACEMENT CHARACTER}"

# Text as a JSON parser hands it over: NUL and half surrogate pairs included.
TEXT = st.text(st.characters(categories=None), max_size=8) | st.sampled_from(["a\x00b", "\ud83d", "🏡"])
KEYS = TEXT | st.sampled_from([*SECRETS, *CARD_KEYS, "id", "url", "isPublic", "updatedOn"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXT
JSON = st.recursive(
    SCALARS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(KEYS, parts, max_size=4),
    max_leaves=20,
)

_PRINTABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
HARMLESS = st.recursive(
    st.none() | st.booleans() | st.integers() | _PRINTABLE,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(_PRINTABLE.map("a{}".format), parts, max_size=4),
    max_leaves=20,
)


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from keys_of(part)
    if isinstance(value, list):
        for part in value:
            yield from keys_of(part)


# Secrets


@pytest.mark.parametrize("key", [*SECRETS, *CARD_KEYS])
def test_secrets_are_dropped(key):
    assert storable({"id": 1, key: "hush"}) == {"id": 1}


@pytest.mark.parametrize("key", [*SECRETS, *CARD_KEYS])
@pytest.mark.parametrize("wrap", [lambda part: {"Reservation": part}, lambda part: {"rows": [[part]]}])
def test_secrets_are_dropped_at_any_depth(key, wrap):
    """A conversation embeds its reservation, and with it the door code."""
    assert storable(wrap({"id": 1, key: "hush"})) == wrap({"id": 1})


def test_a_secret_is_dropped_with_all_that_hangs_below_it():
    assert storable({"ccNumber": {"id": 1, "digits": ["4111"]}}) == {}


@pytest.mark.parametrize("key", ["cc", "account", "ccountry", "doorCodeVendor", "wifiUsername", "successCode"])
def test_keys_that_only_look_alike_are_kept(key):
    assert not is_secret(key)


def test_the_payload_that_came_is_left_as_it_was():
    """It is a copy that is cleaned: the caller may still need the original."""
    payload = {"id": 1, "Reservation": {"doorCode": "1234"}, "body": "a\x00"}
    storable(payload)
    assert payload == {"id": 1, "Reservation": {"doorCode": "1234"}, "body": "a\x00"}


# Characters that Postgres cannot store


@pytest.mark.parametrize("bad", ["\x00", "\ud83d", "\udc4d"])
def test_nul_and_half_a_surrogate_pair_are_replaced(bad):
    """jsonb refuses both, and with them the whole page."""
    assert storable({"body": f"a{bad}b"}) == {"body": f"a{REPLACED}b"}


@pytest.mark.parametrize("bad", ["\x00", "\ud83d"])
def test_characters_are_replaced_in_keys_too(bad):
    assert storable({f"a{bad}": 1}) == {f"a{REPLACED}": 1}


@pytest.mark.parametrize("text", ["👍🏽 see you", "Zoë", "Ω", "line\nbreak\ttab", "\x01", "\x7f", REPLACED, "𝔘"])
def test_emoji_and_everything_else_stay_untouched(text):
    assert storable({"body": text}) == {"body": text}


@given(JSON)
def test_storable_twice_is_storable_once(value):
    once = storable(value)
    assert storable(once) == once


@given(JSON)
def test_what_is_storable_is_json_for_every_reader(value):
    """orjson refuses half surrogate pairs, Postgres refuses NUL: neither may be left. A backslash may be."""
    assert b"\\u0000" not in orjson.dumps(storable(value)).replace(b"\\\\", b"")


@given(JSON)
def test_what_is_storable_holds_no_secret_key(value):
    assert not [key for key in keys_of(storable(value)) if key in {*SECRETS, *CARD_KEYS}]


@given(HARMLESS)
def test_what_holds_no_secret_is_kept_as_it_is(value):
    assert storable(value) == value


# Content


def test_the_hash_does_not_depend_on_the_order_of_keys():
    assert content_hash({"a": 1, "b": {"c": 2, "d": 3}}) == content_hash({"b": {"d": 3, "c": 2}, "a": 1})


def test_the_hash_depends_on_the_order_of_a_list():
    """Messages and images have an order that means something."""
    assert content_hash({"a": [1, 2]}) != content_hash({"a": [2, 1]})


@pytest.mark.parametrize("key", ["updatedOn", "latestActivityOn"])
def test_a_volatile_key_is_no_content(key):
    """Of 711 moves of `updatedOn` seen in one account, 665 changed nothing else."""
    before, after = ({"id": 1, key: day} for day in ("2026-01-01 00:00:00", "2026-01-02 00:00:00"))
    assert content_hash(before) == content_hash(after) == content_hash({"id": 1})


@pytest.mark.parametrize("key", ["updatedOn", "latestActivityOn"])
def test_a_volatile_key_is_no_content_further_down_either(key):
    before, after = ({"id": 1, "parts": [{key: day}]} for day in ("2026-01-01", "2026-01-02"))
    assert content_hash(before) == content_hash(after)


@pytest.mark.parametrize("key", ["status", "insertedOn", "totalPrice"])
def test_any_other_key_is_content(key):
    assert content_hash({"id": 1, key: "a"}) != content_hash({"id": 1, key: "b"})


def test_a_null_is_not_the_same_as_an_absent_key():
    assert content_hash({"id": 1, "guestName": None}) != content_hash({"id": 1})


def attachment(url: str, **changes: Any) -> dict[str, Any]:
    return {"id": 326, "attachments": [{"id": 6, "name": "a.jpeg", "url": url, **changes}]}


@pytest.mark.parametrize("flag", [0, False])
def test_the_url_of_a_private_attachment_is_no_content(flag):
    """It is signed anew at every read: every message with a picture would look changed every day."""
    first, second = (attachment(url, isPublic=flag) for url in ("https://s3/a?sig=1", "https://s3/a?sig=2"))
    assert content_hash(first) == content_hash(second)


@pytest.mark.parametrize("flag", [1, True])
def test_the_url_of_a_public_attachment_is_content(flag):
    first, second = (attachment(url, isPublic=flag) for url in ("https://cdn/a", "https://cdn/b"))
    assert content_hash(first) != content_hash(second)


def test_a_url_of_something_that_is_no_attachment_is_content():
    """Listing images have a `url` and no `isPublic`."""
    assert content_hash(attachment("https://cdn/a")) != content_hash(attachment("https://cdn/b"))


def test_the_rest_of_a_private_attachment_is_content():
    first, second = (attachment("https://s3/a", isPublic=0, extension=kind) for kind in ("jpeg", "png"))
    assert content_hash(first) != content_hash(second)


@pytest.mark.parametrize("value", [0, 1])
def test_turning_an_attachment_public_is_content(value):
    assert content_hash(attachment("https://s3/a", isPublic=value)) != content_hash(
        attachment("https://s3/a", isPublic=1 - value)
    )


def test_the_hash_is_16_bytes_long():
    assert len(content_hash({"id": 1})) == 16


def test_hashing_leaves_the_payload_as_it_was():
    """The url is left out of the hash, not out of the table."""
    payload = attachment("https://s3/a", isPublic=0)
    content_hash(payload)
    assert payload == attachment("https://s3/a", isPublic=0)


@given(st.dictionaries(KEYS, JSON, max_size=5))
def test_every_storable_payload_can_be_hashed(payload):
    assert content_hash(storable(payload)) == content_hash(storable(payload))


def test_a_flag_that_comes_as_text_counts_like_the_number():
    first, second = (attachment(url, isPublic="0") for url in ("https://s3/a?sig=1", "https://s3/a?sig=2"))
    assert content_hash(first) == content_hash(second)
