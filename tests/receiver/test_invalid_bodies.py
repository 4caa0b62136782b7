"""Invalid bodies: refused without quoting them, since they may hold a secret."""

import json
from typing import Any

import pytest

from tests.receiver.steps import ACCOUNT, Receiver, account_ids

WRONG = "wrong-secret-4711"


@pytest.mark.parametrize(
    "body",
    [
        {"account_id": 5, "client_secret": [WRONG]},
        {"account_id": "five", "client_secret": WRONG},
        {"account_id": 0, "client_secret": WRONG},
        {"client_secret": WRONG},
        {"account_id": 5, "client_secret": WRONG, "name": "n" * 201},
        {"account_id": 5, "client_secret": WRONG, "name": "a\x00b"},
        {"account_id": 5, "client_secret": WRONG, "name": "a\ud800b"},
        {"account_id": 5, "client_secret": WRONG, "customer_id": WRONG},
        {"account_id": 5, "client_secret": WRONG * 50},
        {"account_id": 5, "client_secret": ""},
        {"account_id": 5, "secret": WRONG},
        {"account_id": 5, WRONG: 1},
        {"account_id": 1e400, "client_secret": WRONG},
        {"account_id": 5, "client_secret": WRONG + "\ud800"},
        [WRONG],
        WRONG,
    ],
    ids=lambda body: repr(body)[:60],
)
def test_an_invalid_body_is_not_quoted_in_the_answer(receiver: Receiver, database_url: str, body: Any) -> None:
    text = json.dumps(body).replace("Infinity", "1e400").encode()
    answer = receiver.api("POST", "/accounts", text)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
    assert WRONG not in answer.text
    assert account_ids(database_url) == [ACCOUNT]


@pytest.mark.parametrize("body", [b'{"client_secret": "' + WRONG.encode(), b"\xff" + WRONG.encode(), b"[" * 100_000])
def test_a_body_that_is_not_json_is_not_quoted_in_the_answer(receiver: Receiver, body: bytes) -> None:
    answer = receiver.api("POST", "/accounts", body)
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)
    assert WRONG not in answer.text


def test_a_large_body_is_refused(receiver: Receiver) -> None:
    """Without a key it is not read."""
    body = {"account_id": 5, "client_secret": "x" * 2_000_000}
    assert receiver.api("POST", "/accounts", body).status_code == 413
    assert receiver.api("POST", "/accounts", body, key=None).status_code == 401
