"""What may be stored of a payload, and what of it counts as content."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.names import Kind, is_secret, kind_of_name
from hostaway_pipeline.domain.payloads import _KEYS, content_hash, sanitize
from tests.unit.test_cards import AROUND, card_numbers, written_cards

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
# Which names are secret is test_names.py's subject; random ones such as "aCC0" may be.
_HARMLESS_KEYS = _PRINTABLE.filter(lambda key: kind_of_name(key) is Kind.TEXT)
HARMLESS = st.recursive(
    st.none() | st.booleans() | st.integers() | _PRINTABLE,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(_HARMLESS_KEYS, parts, max_size=4),
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
    assert sanitize({"id": 1, key: "hush"}) == {"id": 1}


@pytest.mark.parametrize("key", [*SECRETS, *CARD_KEYS])
@pytest.mark.parametrize("wrap", [lambda part: {"Reservation": part}, lambda part: {"rows": [[part]]}])
def test_secrets_are_dropped_at_any_depth(key, wrap):
    """A conversation embeds its reservation, and with it the door code."""
    assert sanitize(wrap({"id": 1, key: "hush"})) == wrap({"id": 1})


def test_a_secret_is_dropped_with_all_that_hangs_below_it():
    assert sanitize({"ccNumber": {"id": 1, "digits": ["4111"]}}) == {}


@pytest.mark.parametrize("key", ["cc", "account", "ccountry", "doorCodeVendor", "wifiUsername", "successCode"])
def test_keys_that_only_look_alike_are_kept(key):
    assert not is_secret(key)


def test_the_payload_that_came_is_left_as_it_was():
    """It is a copy that is cleaned: the caller may still need the original."""
    payload = {"id": 1, "Reservation": {"doorCode": "1234"}, "body": "a\x00"}
    sanitize(payload)
    assert payload == {"id": 1, "Reservation": {"doorCode": "1234"}, "body": "a\x00"}


# Secrets by value


CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "card",
    [
        {"creditCard": {"number": CARD, "expiry": "12/27", "name": "A. Holder"}},
        {"credit_card": [{"number": 4111111111111111, "cvc": 123}]},
        {"payment": {"card": {"id": 5, "number": CARD}}},
        {"CreditCard": CARD},
        {"cardNumber": 4111111111111111},
        {"CVC": 123},
    ],
    ids=["object", "list", "nested", "text", "number", "check code"],
)
def test_nothing_below_a_card_is_stored(card):
    cleaned = str(sanitize({"id": 1, **card}))
    assert "'id': 1" in cleaned
    assert not [secret for secret in (CARD, "4111111111111111", "12/27", "Holder", "123") if secret in cleaned]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: {"hostNote": text},
        lambda text: {"customFieldValues": [{"customFieldId": 167, "value": text}]},
        lambda text: {"a": {"b": [[{"c": text}]]}},
        lambda text: [text],
        lambda text: text,
        lambda text: {text: 1},
    ],
    ids=["note", "custom field", "deep", "list", "text", "key"],
)
def test_a_card_number_in_a_text_is_masked_and_the_rest_stays(wrap):
    assert sanitize(wrap(f"my card {CARD}, thanks")) == wrap("my card [redacted], thanks")


def test_a_text_that_is_nothing_but_a_card_number_is_masked():
    assert sanitize({"value": "4111111111111111"}) == {"value": "[redacted]"}


@pytest.mark.parametrize(
    "payload",
    [
        {"id": 4111111111111111, "totalPrice": 4111111111111111.0},
        {"reservationId": "4111111111111111", "channelReservationId": "4111-1111-1111-1111"},
        {
            "confirmationCode": "4111111111111111",
            "hash": "4111111111111111",
            "airbnbThreadMessageId": "4111111111111111",
        },
        {"ids": ["4111111111111111"], "4111111111111111": {"id": 1}},
        {"phone": "+49 4222 2222 2222 2", "contactPhone1": "378282246310005"},
        {"airbnbListingUrl": "https://www.airbnb.com/rooms/4111111111111111"},
        {"hostProxyEmail": "c-4111111111111111@host.hostaway.info", "propertyLicenseNumber": "4111111111111111"},
        {"insertedOn": "2026-10-05 12:00:30", "arrivalDate": "2026-10-05"},
    ],
)
def test_numbers_and_identifiers_are_never_taken_for_cards(payload):
    """One in ten long ids passes the check of a card number."""
    assert sanitize(payload) == payload


@pytest.mark.parametrize("key", ["reservationId", "confirmationCode", "airbnbListingUrl"])
def test_an_identifier_is_one_word(key):
    assert sanitize({key: f"card {CARD}"}) == {key: "card [redacted]"}


def test_a_telephone_number_has_15_digits_at_most():
    assert sanitize({"phone": CARD}) == {"phone": "[redacted]"}


# Not within texts that name ids: there a card number would be theirs.
_ANY_KEY = st.sampled_from(["body", "hostNote", "value", "comment", "name", "x", "Reservation", "customFieldValues"])


@given(written_cards(), st.data())
def test_no_card_number_survives_at_any_depth(card, data):
    inner: Any = data.draw(AROUND) + card + data.draw(AROUND)
    for _ in range(data.draw(st.integers(0, 6))):
        others = data.draw(st.dictionaries(KEYS, JSON, max_size=2))
        inner = data.draw(st.sampled_from([[inner], {data.draw(_ANY_KEY): inner, **others}, [others, inner]]))
    assert card not in str(sanitize(inner))


@given(st.dictionaries(st.sampled_from(["id", "listingMapId", "total", "body", "x"]), st.integers() | st.floats()))
def test_numbers_are_never_touched(payload):
    assert sanitize(payload) == payload


@given(st.dictionaries(st.sampled_from(["id", "reservationId", "hash", "confirmationCode", "url"]), card_numbers()))
def test_identifiers_are_never_touched(payload):
    assert sanitize(payload) == payload


# The guest's own link


@pytest.mark.parametrize("hash_key", ["guestAuthHash", "guest_auth_hash"])
def test_the_hash_of_the_guests_link_is_masked_wherever_it_is_repeated(hash_key):
    secret = "a4f8e1c29b7d"
    payload = {
        "id": 1,
        hash_key: secret,
        "guestPortalUrl": f"https://portal.example.com/{secret}",
        "hostNote": f"see https://portal.example.com/{secret}/checkin please",
        "rentalAgreementFileUrl": f"https://files.example.com/a?guest={secret}",
        "parts": [{"Reservation": {"link": secret}}],
    }
    cleaned = sanitize(payload)
    assert secret not in str(cleaned)
    assert cleaned["hostNote"] == "see https://portal.example.com/[redacted]/checkin please"
    assert "guestPortalUrl" not in cleaned


@pytest.mark.parametrize(
    "link", ["https://portal.example.com/r/a4f8e1c29b7d4e5f?x=1", "https://portal.example.com/r?hash=a4f8e1c29b7d4e5f"]
)
def test_the_hash_is_known_from_the_link_alone(link):
    cleaned = sanitize({"id": 1, "guestPortalUrl": link, "hostNote": "hash a4f8e1c29b7d4e5f", "city": "portal"})
    assert cleaned == {"id": 1, "hostNote": "hash [redacted]", "city": "portal"}


@pytest.mark.parametrize("value", [None, "", "abc", 12345, [], {"a": 1}])
def test_what_cannot_be_a_hash_is_not_looked_for(value):
    assert sanitize({"id": 12345, "guestAuthHash": value, "note": "abc 12345"}) == {"id": 12345, "note": "abc 12345"}


# Custom fields


@pytest.mark.parametrize(
    "field",
    [
        {"customFieldId": 1, "name": "Door code", "value": "4711#"},
        {"customFieldId": 1, "varName": "reservation_custom_field_door_code", "value": "4711#"},
        {"customFieldId": 1, "customField": {"id": 1, "name": "Lockbox PIN"}, "value": "4711#"},
        {"customFieldId": 1, "title": "WiFi password", "value": ["4711#"]},
        {"name": "Türcode", "Value": "4711#"},
        {"updatedField": "doorCode", "previousValue": "4711#", "newValue": "4711# or so"},
        {"customFieldId": 1, "value": "Door code: 4711#"},
        {"customFieldId": 1, "name": "Gate", "value": "code 4711#"},
    ],
)
def test_the_value_of_a_custom_field_that_opens_a_door_is_masked(field):
    cleaned = sanitize({"customFieldValues": [field]})
    assert "4711" not in str(cleaned)
    assert "[redacted]" in str(cleaned)
    assert sanitize(cleaned) == cleaned


def test_a_number_that_opens_a_door_is_masked_too():
    assert sanitize({"name": "Door code", "value": 4711}) == {"name": "Door code", "value": "[redacted]"}


@pytest.mark.parametrize(
    "field",
    [
        {"customFieldId": 167, "value": "Custom field value one"},
        {"customFieldId": 167, "name": "Door colour", "value": "blue, 3 of them"},
        {"name": "cleaningFee", "title": "Cleaning fee", "value": 1000, "total": 69},
        {"customFieldId": 1, "name": "Door code", "value": None},
        {"customFieldId": 1, "name": "Door code", "value": ""},
        {"customFieldId": 1, "name": {"en": 1}, "value": "x"},
    ],
)
def test_other_custom_fields_stay(field):
    assert sanitize({"customFieldValues": [field]}) == {"customFieldValues": [field]}


def test_keys_that_strangers_send_do_not_fill_the_memory():
    for number in range(10_000):
        sanitize({f"key{number}": 1, f"long{number}" * 50: 1})
    assert len(_KEYS) <= 4096


# Characters that Postgres cannot store


@pytest.mark.parametrize("bad", ["\x00", "\ud83d", "\udc4d"])
def test_nul_and_half_a_surrogate_pair_are_replaced(bad):
    """jsonb refuses both, and with them the whole page."""
    assert sanitize({"body": f"a{bad}b"}) == {"body": f"a{REPLACED}b"}


@pytest.mark.parametrize("bad", ["\x00", "\ud83d"])
def test_characters_are_replaced_in_keys_too(bad):
    assert sanitize({f"a{bad}": 1}) == {f"a{REPLACED}": 1}


@pytest.mark.parametrize("text", ["👍🏽 see you", "Zoë", "Ω", "line\nbreak\ttab", "\x01", "\x7f", REPLACED, "𝔘"])
def test_emoji_and_everything_else_stay_untouched(text):
    assert sanitize({"body": text}) == {"body": text}


@given(JSON)
def test_sanitizing_twice_equals_sanitizing_once(value):
    once = sanitize(value)
    assert sanitize(once) == once


@given(JSON)
def test_a_sanitized_value_is_json_for_every_reader(value):
    """orjson refuses half surrogate pairs, Postgres refuses NUL: neither may be left. A backslash may be."""
    assert b"\\u0000" not in orjson.dumps(sanitize(value)).replace(b"\\\\", b"")


@given(JSON)
def test_a_sanitized_value_holds_no_secret_key(value):
    assert not [key for key in keys_of(sanitize(value)) if key in {*SECRETS, *CARD_KEYS}]


@given(HARMLESS)
def test_what_holds_no_secret_is_kept_as_it_is(value):
    assert sanitize(value) == value


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
def test_every_sanitized_payload_can_be_hashed(payload):
    assert content_hash(sanitize(payload)) == content_hash(sanitize(payload))


def test_a_flag_that_comes_as_text_counts_like_the_number():
    first, second = (attachment(url, isPublic="0") for url in ("https://s3/a?sig=1", "https://s3/a?sig=2"))
    assert content_hash(first) == content_hash(second)


UNSPECIFIED = {
    "id": 1,
    "isDatesUnspecified": 1,
    "arrivalDate": "2026-06-01",
    "departureDate": "2026-06-01",
    "previousArrivalDate": None,
    "previousDepartureDate": None,
    "nights": 0,
}


@pytest.mark.parametrize("key", ["arrivalDate", "departureDate", "previousArrivalDate", "previousDepartureDate"])
def test_dates_that_are_not_specified_are_no_content(key):
    """They are placeholders, which move every day."""
    later = UNSPECIFIED | {key: "2026-06-02"}
    assert content_hash(later) == content_hash(UNSPECIFIED)
    specified = {**UNSPECIFIED, "isDatesUnspecified": 0}
    assert content_hash(specified | {key: "2026-06-02"}) != content_hash(specified)


@pytest.mark.parametrize("change", [{"isDatesUnspecified": 0}, {"isDatesUnspecified": None}, {"nights": 1}])
def test_that_dates_are_not_specified_is_content(change):
    assert content_hash(UNSPECIFIED | change) != content_hash(UNSPECIFIED)
