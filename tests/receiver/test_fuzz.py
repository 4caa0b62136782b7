"""Fuzzing: no input causes a 5xx or an invalid event, and the next delivery is accepted."""

import gzip
import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hostaway_pipeline.domain.events import ENTITY_OF_EVENT
from tests.factories import reservation
from tests.receiver.steps import ACCOUNT, KEY, PING, Receiver, basic, delivery, events

QUIET = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = [
    ("GET", "/webhooks/hostaway"),
    ("POST", "/webhooks/hostaway"),
    ("GET", "/accounts"),
    ("POST", "/accounts"),
    ("GET", "/accounts/{account_id}"),
    ("PUT", "/accounts/{account_id}"),
    ("PATCH", "/accounts/{account_id}"),
    ("DELETE", "/accounts/{account_id}"),
    ("POST", "/accounts/{account_id}/sync"),
    ("GET", "/events"),
    ("POST", "/events/replay"),
    ("POST", "/guests/find"),
    ("POST", "/guests/erase"),
    ("POST", "/messages"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/metrics"),
]
WITHOUT_PARAMETERS = {("GET", path) for path in ("/webhooks/hostaway", "/accounts", "/health", "/ready", "/metrics")}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def modes(method: str, path: str) -> list[schemathesis.GenerationMode]:
    """Where nothing is given, nothing can be given wrongly."""
    both = list(schemathesis.GenerationMode)
    return both[:1] if (method, path) in WITHOUT_PARAMETERS else both


# JSON as text, with what parsers disagree about
_scalars = st.sampled_from(
    [
        "null", "true", "0", "-0", "1.5", "1e999", "-1e999", "1e-999", "9223372036854775808", "1" + "0" * 400,
        "1" * 5000, "NaN", "Infinity", '""', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"', '"\\u00e9"', '"\\x"',
        '"59808"', '"' + "x" * 500 + '"', "'a'", str(ACCOUNT), '"reservation.updated"', '"reservation"',
    ]
)  # fmt: skip
_keys = st.sampled_from(
    [
        "object",
        "event",
        "accountId",
        "data",
        "payload",
        "id",
        "status",
        "ccNumber",
        "\\u0000",
        "\\ud800",
        "",
        "updatedOn",
    ]
)


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Keys may come twice."""
    member = st.builds(lambda key, value: f'"{key}":{value}', _keys, inner)
    return st.one_of(
        st.builds(lambda members: "{" + ",".join(members) + "}", st.lists(member, max_size=5)),
        st.builds(lambda parts: "[" + ",".join(parts) + "]", st.lists(inner, max_size=4)),
    )


_json = st.recursive(_scalars, _containers, max_leaves=12)
_deliveries = st.builds(
    lambda account, event, kind, payload: f'{{"accountId":{account},"event":{event},"object":{kind},"data":{payload}}}',
    st.one_of(st.just(str(ACCOUNT)), _scalars),
    st.one_of(st.sampled_from(['"reservation.updated"', '"owner.signed"', '"task.created"']), _scalars),
    st.one_of(st.just('"reservation"'), _scalars),
    st.one_of(_json, st.builds(lambda value: f'{{"id":7,"x":{value}}}', _json)),
)
_nested = st.builds(
    lambda depth, opening, closing: (
        f'{{"accountId":{ACCOUNT},"event":"reservation.updated","object":"reservation",'
        f'"data":{{"id":7,"deep":{opening * depth}1{closing * depth}}}}}'
    ),
    st.sampled_from([10, 200, 253, 254, 255, 330, 500, 990, 1024, 5000, 100_000]),
    *(st.just(part) for part in ("[", "]")),
)
_VALID = orjson.dumps(delivery(reservation(7)))


@st.composite
def _mutated(draw: Callable[..., Any]) -> bytes:
    """A delivery with a few bytes changed, lost or put in."""
    body = bytearray(_VALID)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body) - 1))
        match draw(st.sampled_from(["change", "lose", "insert", "cut", "repeat"])):
            case "change":
                body[at] = draw(st.integers(0, 255))
            case "lose":
                del body[at : at + draw(st.integers(1, 9))]
            case "insert":
                body[at:at] = draw(st.binary(min_size=1, max_size=6))
            case "cut":
                del body[at + 1 :]
            case "repeat":
                body[at:at] = body[at : at + draw(st.integers(1, 60))]
        body = body or bytearray(b"x")
    return bytes(body)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


_bodies = st.one_of(
    st.binary(max_size=300),
    _json.map(_bytes),
    _deliveries.map(_bytes),
    _deliveries.map(lambda text: _bytes(f'{{"payload":{text}}}')),
    _nested.map(_bytes),
    _mutated(),
    _deliveries.map(lambda text: gzip.compress(_bytes(text))),
)
_headers = st.sampled_from(
    [
        {}, {"Content-Encoding": "gzip"}, {"Content-Type": "text/plain; charset=utf-16"}, {"Content-Type": "nonsense"},
        {"X-Request-ID": "\x7f"}, {"Content-Encoding": "identity"},
    ]
)  # fmt: skip


def test_no_body_breaks_the_webhook(receiver: Receiver, database_url: str) -> None:
    accepted = 0

    @settings(QUIET, max_examples=1100)
    @given(body=_bodies, headers=_headers)
    def deliver(body: bytes, headers: dict[str, str]) -> None:
        nonlocal accepted
        answer = receiver.deliver(body, **headers)
        assert answer.status_code in (200, 400, 401, 415, 429), (answer.status_code, answer.text, body[:300])
        accepted += answer.status_code == 200

    deliver()

    stored = events(database_url)
    assert 20 < len(stored) <= accepted
    for event in stored:
        assert event["account_id"] == ACCOUNT
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.:-]{0,99}", event["event"])
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.:-]{0,99}", event["object"])
        assert (event["status"] == "pending") == (event["event"] in ENTITY_OF_EVENT)
        assert event["object_id"] is not None or event["status"] == "ignored"
        assert "ccNumber" not in repr(event["payload"])
    assert receiver.deliver(delivery(reservation(99))).status_code == 200
    assert events(database_url)[-1]["object_id"] == 99


@pytest.mark.parametrize(("method", "path", "mode"), [(*one, mode) for one in OPERATIONS for mode in modes(*one)])
def test_no_request_breaks_an_operation_and_its_answers_are_as_documented(
    receiver: Receiver, document: dict[str, Any], method: str, path: str, mode: schemathesis.GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    operation = schema[path][method]
    credential = receiver.credential
    assert credential is not None
    is_hook = path == "/webhooks/hostaway"
    headers = basic(credential.login, credential.password) if is_hook else {"Authorization": f"Bearer {KEY}"}

    @settings(QUIET, max_examples=20)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(base_url=receiver.url, session=receiver.http, headers=headers, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    ask()
    assert receiver.post(PING).status_code == 200, "it still answers"


def test_every_operation_is_fuzzed(document: dict[str, Any]) -> None:
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert found == set(OPERATIONS)
