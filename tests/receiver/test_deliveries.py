"""Deliveries: valid ones are stored before the answer, once and without secrets; invalid ones are refused."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from hostaway_pipeline.services import Services
from tests.factories import reservation
from tests.receiver.steps import ACCOUNT, HOOK, PING, Receiver, basic, delivery, events

BIGINT = 2**63


def test_a_delivery_is_stored_before_it_is_answered(receiver: Receiver, database_url: str) -> None:
    answer = receiver.deliver(delivery(reservation(7, guestName="Ann")))

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    [event] = events(database_url)
    assert (event["account_id"], event["event"], event["object"]) == (ACCOUNT, "reservation.updated", "reservation")
    assert (event["object_id"], event["status"], event["attempts"]) == (7, "pending", 0)
    assert (event["error"], event["applied_at"]) == (None, None)
    assert event["payload"] == reservation(7, guestName="Ann")


def test_a_nested_envelope_is_the_same_delivery(receiver: Receiver, database_url: str) -> None:
    assert receiver.deliver({"payload": delivery(reservation(7))}).status_code == 200
    assert receiver.deliver(delivery(reservation(7))).status_code == 200
    whole = delivery(reservation(8))
    assert receiver.deliver({"payload": {"data": whole.pop("data")}, **whole}).status_code == 200
    assert [event["object_id"] for event in events(database_url)] == [7, 8]


def test_ids_may_be_sent_as_text(receiver: Receiver, database_url: str) -> None:
    assert receiver.deliver(delivery(reservation("7"), accountId=str(ACCOUNT))).status_code == 200  # type: ignore[arg-type]
    assert events(database_url)[0]["object_id"] == 7


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("reservation.created", "reservation"),
        ("reservation.cancelled", "reservation"),
        ("message.received", "conversationMessage"),
        ("message.created", "conversationMessage"),
        ("listing.deleted", "listing"),
    ],
)
def test_every_handled_kind_of_event_is_pending(receiver: Receiver, database_url: str, event: str, kind: str) -> None:
    assert receiver.deliver(delivery({"id": 5}, event)).status_code == 200
    [stored] = events(database_url)
    assert (stored["event"], stored["object"], stored["status"]) == (event, kind, "pending")


def test_events_of_unknown_kinds_are_stored_as_ignored(receiver: Receiver, database_url: str) -> None:
    """Hostaway may add kinds at any time, with any data."""
    for payload in ({"id": 1}, {"name": "no id"}, ["a list"], "text", 5):
        assert receiver.deliver(delivery(payload, "owner.signed")).status_code == 200
    assert receiver.deliver(delivery(event="owner.signed") | {"data": None}).status_code == 200
    stored = events(database_url)
    assert len(stored) == 6
    assert {(one["status"], one["error"]) for one in stored} == {("ignored", "this kind of event is not known")}
    assert all(one["applied_at"] is not None for one in stored)


def test_task_events_are_stored_as_ignored_with_their_own_reason(receiver: Receiver, database_url: str) -> None:
    assert receiver.deliver(delivery({"id": 1}, "task.created")).status_code == 200
    [stored] = events(database_url)
    assert (stored["status"], stored["error"]) == ("ignored", "tasks are not copied")


def test_a_repeated_delivery_is_stored_once(receiver: Receiver, database_url: str) -> None:
    """Repetitions have equal content; the order of keys and white space do not matter."""
    first = delivery(reservation(7))
    again = dict(reversed(first.items())) | {"data": dict(reversed(first["data"].items()))}
    for body in (orjson.dumps(first), orjson.dumps(first), orjson.dumps(again, option=orjson.OPT_INDENT_2)):
        assert receiver.deliver(body).status_code == 200
    assert len(events(database_url)) == 1


def test_a_change_back_to_an_earlier_state_is_a_new_event(receiver: Receiver, database_url: str) -> None:
    for status in ("new", "cancelled", "new"):
        assert receiver.deliver(delivery(reservation(7, status=status))).status_code == 200
    assert [event["payload"]["status"] for event in events(database_url)] == ["new", "cancelled", "new"]


def test_the_same_payload_for_another_event_or_object_is_not_a_repetition(
    receiver: Receiver, database_url: str
) -> None:
    receiver.deliver(delivery(reservation(7), "reservation.created"))
    receiver.deliver(delivery(reservation(7), "reservation.updated"))
    receiver.deliver(delivery({"id": 7}, "listing.updated"))
    assert len(events(database_url)) == 3


def test_a_ping_with_right_or_no_credentials_is_answered_200_and_not_stored(
    receiver: Receiver, database_url: str
) -> None:
    answers = [receiver.deliver(PING), receiver.post(PING), receiver.post(b' { "data" : "test" } ')]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert events(database_url) == []


def test_a_ping_with_wrong_credentials_is_refused(receiver: Receiver) -> None:
    assert receiver.post(PING, basic("nobody", "nothing")).status_code == 401


def test_a_body_that_resembles_a_ping_needs_credentials(receiver: Receiver) -> None:
    for body in (b'{"data":"tests"}', b'{"data":"test","event":"x"}', b"[]", b""):
        assert receiver.post(body).status_code == 401


def test_the_webhook_url_answers_get(receiver: Receiver) -> None:
    assert receiver.http.get(receiver.url + HOOK).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"object": "reservation"',
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'"text"',
        b"12",
        b'{"event": NaN}',
        delivery(accountId=None),
        delivery(accountId="many"),
        delivery(accountId=True),
        delivery(accountId=[ACCOUNT]),
        delivery(accountId=BIGINT),
        delivery(event=""),
        delivery() | {"event": 5},
        delivery() | {"event": "two words"},
        delivery() | {"event": "e" * 101},
        delivery() | {"event": None},
        delivery() | {"object": None},
        delivery() | {"object": {"id": 1}},
        delivery({"name": "no id"}),
        delivery({"id": None}),
        delivery({"id": "seven"}),
        delivery({"id": BIGINT}),
        delivery() | {"data": None},
        delivery() | {"data": [1]},
        delivery() | {"data": "test"},
        {"payload": "text"},
        {"payload": {}},
    ],
    ids=repr,
)
def test_an_invalid_delivery_is_refused_and_not_stored(receiver: Receiver, database_url: str, body: Any) -> None:
    """400 is final at Hostaway: the same body would be refused again."""
    answer = receiver.deliver(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert events(database_url) == []


def test_a_body_over_1_mib_is_refused(receiver: Receiver, database_url: str) -> None:
    assert receiver.deliver(delivery({"id": 1, "text": "x" * (1024 * 1024)})).status_code == 413
    assert events(database_url) == []


def test_a_chunked_body_over_1_mib_is_refused(receiver: Receiver, database_url: str) -> None:
    """A body without Content-Length is limited, too."""

    def chunks() -> Iterator[bytes]:
        yield b'{"data":"'
        for _ in range(40):
            yield b"x" * 65_536

    credential = receiver.credential
    assert credential is not None
    assert receiver.post(chunks(), basic(credential.login, credential.password)).status_code == 413
    assert receiver.deliver(delivery()).status_code == 200, "the next one is accepted"


def test_a_body_of_exactly_1_mib_is_accepted(receiver: Receiver, database_url: str) -> None:
    body = orjson.dumps(delivery({"id": 1, "text": ""}))
    whole = body.replace(b'"text":""', b'"text":"' + b"x" * (1024 * 1024 - len(body)) + b'"')
    assert len(whole) == 1024 * 1024
    assert receiver.deliver(whole).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip"])
def test_a_compressed_body_is_refused(receiver: Receiver, database_url: str, encoding: str) -> None:
    """Nothing is decompressed: a small body could become a large one."""
    assert receiver.deliver(delivery(), **{"Content-Encoding": encoding}).status_code == 415
    assert events(database_url) == []


def test_the_content_type_does_not_matter(receiver: Receiver) -> None:
    assert receiver.deliver(delivery(), **{"Content-Type": "text/plain"}).status_code == 200


def test_cards_and_codes_are_never_stored(receiver: Receiver, database_url: str) -> None:
    secrets = {
        "ccNumber": "4111111111111111",
        "ccName": "A. Holder",
        "ccExpirationYear": "2031",
        "cvc": "917",
        "doorCode": "door-4711",
        "doorCodeInstruction": "turn door-4711",
        "doorSecurityCode": "door-4712",
        "wifiPassword": "wifi-sesame",
        "guestAuthHash": "hash-of-guest",
    }
    nested = {"deep": [{"deeper": {"deepest": [secrets]}}], "kept": "kept text"}
    assert receiver.deliver(delivery(reservation(7, **secrets, listing=nested))).status_code == 200
    assert receiver.deliver(delivery({"name": "x", **secrets, "in": nested}, "owner.signed")).status_code == 200
    text = repr([event["payload"] for event in events(database_url)])
    assert "kept text" in text
    assert [value for value in secrets.values() if value in text] == []


def test_characters_that_postgres_cannot_store_are_replaced(receiver: Receiver, database_url: str) -> None:
    body = orjson.dumps(delivery(reservation(7, guestName="@"))).replace(b'"@"', b'"a\\u0000b\\ud800c"')
    assert receiver.deliver(body).status_code == 200
    assert events(database_url)[0]["payload"]["guestName"] == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_a_valid_request_id_is_kept_and_stored(receiver: Receiver, database_url: str) -> None:
    answer = receiver.deliver(delivery(), **{"X-Request-ID": "Trace-1.a_b"})
    assert answer.headers["X-Request-ID"] == "Trace-1.a_b"
    assert events(database_url)[0]["request_id"] == "Trace-1.a_b"


@pytest.mark.parametrize("insane", ["with blanks", "x" * 65, "<script>", "ä".encode().decode("latin-1"), ""])
def test_an_invalid_request_id_is_replaced(receiver: Receiver, database_url: str, insane: str) -> None:
    answer = receiver.deliver(delivery(), **{"X-Request-ID": insane})
    made = answer.headers["X-Request-ID"]
    assert made != insane
    assert len(made) == 16
    assert events(database_url)[0]["request_id"] == made


def test_every_answer_carries_a_request_id(receiver: Receiver) -> None:
    for path in ("/health", "/ready", "/metrics", "/nowhere", "/accounts", HOOK):
        assert receiver.http.get(receiver.url + path).headers["X-Request-ID"]


def test_the_time_of_the_newest_event_is_recorded(receiver: Receiver, services: Services) -> None:
    assert services.webhooks.state(ACCOUNT).heard_at is None
    receiver.deliver(delivery())
    assert services.webhooks.state(ACCOUNT).heard_at is not None
