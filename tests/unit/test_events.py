"""What a delivery says: its envelope, its kind, its object; what of it is stored, and which deliveries are equal."""

import contextlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_pipeline.domain.events import ENTITY_OF_EVENT, PING, BadDelivery, Delivery, parse_delivery
from hostaway_pipeline.domain.values import parse_json
from tests.factories import reservation


def delivery(event: str = "reservation.updated", payload: Any = None, **changes: Any) -> dict[str, Any]:
    data = reservation() if payload is None else payload
    return {"object": "reservation", "event": event, "accountId": 59808, "data": data, **changes}


def parsed(**changes: Any) -> Delivery:
    return parse_delivery(delivery(**changes))


def fingerprint(payload: dict[str, Any], event: str = "reservation.updated") -> bytes:
    return parsed(event=event, payload=payload).fingerprint


# The envelope


def test_a_delivery_names_account_event_and_object():
    found = parsed()
    assert (found.account_id, found.event, found.object, found.object_id) == (
        59808,
        "reservation.updated",
        "reservation",
        1,
    )
    assert json.loads(found.payload) == reservation()
    assert found.ignore_reason is None


def test_a_nested_envelope_says_the_same():
    """Once seen with everything below `payload`."""
    assert parse_delivery({"payload": delivery()}) == parsed()


def test_only_the_data_may_be_nested():
    flat = delivery()
    assert parse_delivery({**flat, "payload": {"data": flat.pop("data")}}) == parsed()


def test_a_payload_beside_the_data_that_is_no_envelope_is_nothing():
    assert parse_delivery(delivery(payload=None, **{"unknown": 1}) | {"payload": "text"}) == parsed()


@pytest.mark.parametrize("account_id", ["59808", 59808, 59808.0])
def test_the_account_may_be_a_number_or_digits(account_id):
    assert parsed(accountId=account_id).account_id == 59808


@pytest.mark.parametrize("body", [None, [], "text", 1, True, [delivery()], {}])
def test_what_is_no_delivery_is_refused(body):
    with pytest.raises(BadDelivery):
        parse_delivery(body)


@pytest.mark.parametrize("key", ["accountId", "event", "object", "data"])
def test_none_of_the_four_keys_may_be_missing(key):
    body = delivery()
    del body[key]
    with pytest.raises(BadDelivery):
        parse_delivery(body)


@pytest.mark.parametrize("account_id", [None, "", "abc", True, [], {}, 2**63, float("nan"), "1" * 5000])
def test_an_account_that_is_no_bigint_is_refused(account_id):
    with pytest.raises(BadDelivery, match="accountId"):
        parsed(accountId=account_id)


@pytest.mark.parametrize("key", ["event", "object"])
@pytest.mark.parametrize("name", [None, "", 1, ["a"], "a" * 101, "a b", "a\n", "-a", "a\x00", "é", "<script>"])
def test_a_name_is_a_short_word(key, name):
    """It is shown, logged and counted: nothing else gets that far."""
    with pytest.raises(BadDelivery, match=key):
        parsed(**{key: name})


@pytest.mark.parametrize("name", ["reservation.updated", "a", "a" * 100, "some-thing_new:v2"])
def test_names_of_the_future_pass(name):
    assert parsed(event=name).event == name


@pytest.mark.parametrize("data", [None, [], "text", 1, {}, {"id": None}, {"id": "x"}, {"id": 2**63}, {"id": True}])
@pytest.mark.parametrize("event", sorted(ENTITY_OF_EVENT))
def test_an_event_that_is_worked_on_needs_an_object_with_an_id(event, data):
    with pytest.raises(BadDelivery, match="integer id"):
        parse_delivery(delivery(event) | {"data": data})


def test_an_id_may_be_digits():
    assert parsed(payload={"id": "17"}).object_id == 17


def test_no_error_quotes_what_came():
    """It goes into the log and back to whoever knocked."""
    with pytest.raises(BadDelivery) as raised:
        parse_delivery(delivery(event="4111 1111 1111 1111"))
    assert "4111" not in str(raised.value)


def test_the_ping_of_a_registration_is_no_delivery():
    assert PING == {"data": "test"}
    with pytest.raises(BadDelivery):
        parse_delivery(PING)


# Kinds of events


@pytest.mark.parametrize("event", sorted(ENTITY_OF_EVENT))
def test_known_events_are_worked_on(event):
    assert parsed(event=event).ignore_reason is None


@pytest.mark.parametrize("event", ["task.created", "task.updated", "task.anything"])
def test_tasks_are_kept_and_ignored(event):
    assert parsed(event=event).ignore_reason == "tasks are not copied"


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("reservation created", "reservation.created"),
        ("Reservation  updated ", "reservation.updated"),
        ("reservation_cancelled", "reservation.cancelled"),
        ("message-received", "message.received"),
        ("LISTING CREATED", "listing.created"),
        ("listing:deleted", "listing.deleted"),
        ("reservationCreated", "reservation.created"),
        ("task created", "task.created"),
    ],
)
def test_the_words_of_an_event_may_be_set_apart_in_any_way(told, known):
    assert parsed(event=told) == parsed(event=known)


@pytest.mark.parametrize(
    "event", ["reservation", "reservation un created", "two words", " ", "reservation created" * 9]
)
def test_what_is_no_event_that_we_know_is_not_guessed(event):
    with contextlib.suppress(BadDelivery):
        assert parsed(event=event).ignore_reason


@pytest.mark.parametrize("event", ["calendar.updated", "reservation.renamed", "Reservation.updated", "tasks"])
def test_unknown_events_are_kept_and_say_why_nothing_follows(event):
    """New kinds may appear any day: what they carried must not be lost."""
    assert parsed(event=event).ignore_reason == "this kind of event is not known"


@pytest.mark.parametrize(("data", "object_id"), [({"id": 7}, 7), ({}, None), ([1], None), ("text", None), (0, None)])
def test_an_unknown_event_may_carry_anything(data, object_id):
    found = parse_delivery(delivery("calendar.updated") | {"data": data})
    assert (found.object_id, json.loads(found.payload)) == (object_id, data)


def test_an_unknown_event_without_data_carries_an_empty_object():
    """A JSON null would be no value at all to Postgres, and the whole event be refused."""
    without = delivery("calendar.updated")
    del without["data"]
    for body in (without, without | {"data": None}):
        assert parse_delivery(body).payload == b"{}"


# What is stored


@pytest.mark.parametrize("key", ["ccNumber", "cvc", "doorCode", "guestAuthHash", "wifiPassword", "ccExpirationYear"])
@pytest.mark.parametrize("wrap", [lambda part: part, lambda part: {"Reservation": [part]}])
def test_secrets_are_dropped_at_any_depth(key, wrap):
    found = parsed(payload={"id": 1} | wrap({key: "hush", "kept": "yes"}))
    assert b"hush" not in found.payload
    assert b"yes" in found.payload


def test_secrets_are_dropped_from_events_that_are_ignored_too():
    assert b"hush" not in parsed(event="calendar.updated", payload={"doorCode": "hush"}).payload


@pytest.mark.parametrize("bad", ["\x00", "\ud83d", "\udc4d"])
def test_what_postgres_cannot_store_is_replaced(bad):
    found = parsed(payload={"id": 1, f"k{bad}": f"a{bad}b"})
    assert json.loads(found.payload) == {"id": 1, "k\N{REPLACEMENT CHARACTER}": "a\N{REPLACEMENT CHARACTER}b"}


@pytest.mark.parametrize("depth", [300, 5000])
def test_too_deep_nesting_is_refused(depth):
    deep: Any = 1
    for _ in range(depth):
        deep = {"a": deep}
    with pytest.raises(BadDelivery, match="nested too deep"):
        parsed(payload={"id": 1, "deep": deep})


def test_an_integer_that_nothing_can_write_is_refused():
    with pytest.raises(BadDelivery, match="cannot be stored"):
        parsed(payload={"id": 1, "price": 10**30})


# Equal deliveries


def test_the_order_of_keys_makes_no_difference():
    payload = {"id": 1, "guest": {"name": "A", "country": "DE"}, "status": "new"}
    other = {"status": "new", "guest": {"country": "DE", "name": "A"}, "id": 1}
    assert fingerprint(payload) == fingerprint(other)


@pytest.mark.parametrize(
    "changes",
    [{"updatedOn": "2026-06-02 10:00:01"}, {"latestActivityOn": None}, {"status": "modified"}, {"extra": None}],
)
def test_any_other_difference_does(changes):
    """Volatile keys too: a payload of which only they moved is newer, not a repetition."""
    assert fingerprint(reservation()) != fingerprint(reservation(**changes))


def test_the_order_of_a_list_does():
    assert fingerprint({"id": 1, "parts": [1, 2]}) != fingerprint({"id": 1, "parts": [2, 1]})


def test_the_same_object_in_another_event_is_another_delivery():
    assert fingerprint(reservation(), "reservation.created") != fingerprint(reservation(), "reservation.updated")


def test_both_envelopes_are_one_delivery():
    assert parse_delivery({"payload": delivery()}).fingerprint == parsed().fingerprint


# Whatever comes

TEXT = st.text(st.characters(categories=None), max_size=8) | st.sampled_from(["a\x00b", "\ud83d", "id", "doorCode"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXT, parts, max_size=4),
    max_leaves=15,
)
NEARLY = st.fixed_dictionaries(
    {"object": st.just("reservation") | ANYTHING, "event": st.sampled_from([*ENTITY_OF_EVENT, "task.new"]) | ANYTHING},
    optional={
        "accountId": st.integers(1, 9) | ANYTHING,
        "data": st.fixed_dictionaries({"id": st.integers(1, 9) | ANYTHING, "more": ANYTHING}) | ANYTHING,
        "payload": ANYTHING,
    },
)


@given(NEARLY | NEARLY.map(lambda body: {"payload": body}) | ANYTHING)
def test_whatever_comes_is_a_delivery_or_a_bad_one(body):
    try:
        found = parse_delivery(body)
    except BadDelivery:
        return
    assert_storable(found)


@given(NEARLY.map(json.dumps) | st.text())
def test_the_same_holds_for_whatever_parses(text):
    """Numbers and characters as only the slow parser reads them."""
    try:
        found = parse_delivery(parse_json(text.encode("utf-8", "surrogatepass")))
    except BadDelivery:
        return
    assert_storable(found)


def assert_storable(found: Delivery) -> None:
    """jsonb takes any JSON but NUL and half surrogate pairs, which the reader here refuses; ids are bigints."""
    orjson.loads(found.payload)
    assert b"\\u0000" not in found.payload.replace(b"\\\\", b"")
    assert -(2**63) <= found.account_id < 2**63
    assert found.object_id is None or -(2**63) <= found.object_id < 2**63
    assert len(found.fingerprint) == 16
