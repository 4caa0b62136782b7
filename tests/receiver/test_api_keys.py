"""API keys: every operation of our own API needs one, and wrong tries are limited."""

import hashlib

import pytest

from tests.receiver.steps import ACCOUNT, KEY, OPERATIONS, OpenReceiver, Receiver, account_ids, delivery


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_is_refused_without_a_valid_key(
    receiver: Receiver, database_url: str, method: str, path: str
) -> None:
    for key in (None, "", "wrong", KEY.upper(), f"{KEY} ", f"Bearer {KEY}", hashlib.sha256(KEY.encode()).hexdigest()):
        answer = receiver.api(method, path, {}, key=key)
        if key != f"{KEY} ":  # trailing blanks of a header are ignored
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert account_ids(database_url) == [ACCOUNT]


def test_a_webhook_password_is_not_a_key(receiver: Receiver) -> None:
    answer = receiver.deliver(delivery())
    assert answer.ok
    assert receiver.api("GET", "/accounts", key=receiver.credential.password).status_code == 401  # type: ignore[union-attr]


def test_without_configured_keys_every_key_is_refused(open_receiver: OpenReceiver) -> None:
    receiver = open_receiver(api_keys=None)
    for key in (None, "", KEY):
        answer = receiver.api("GET", "/accounts", key=key)
        assert answer.status_code == 401
        assert "HOSTAWAY_API_KEYS" in answer.json()["detail"]


def test_a_key_can_be_configured_as_its_hash(open_receiver: OpenReceiver) -> None:
    digest = "sha256:" + hashlib.sha256(b"a key of no list").hexdigest()
    receiver = open_receiver(api_keys=f"{digest}, {KEY}")
    assert receiver.api("GET", "/accounts", key="a key of no list").status_code == 200
    assert receiver.api("GET", "/accounts", key=KEY).status_code == 200
    assert receiver.api("GET", "/accounts", key=digest).status_code == 401, "the hash itself is no key"


def test_too_many_wrong_keys_are_answered_429_and_the_right_key_still_200(receiver: Receiver) -> None:
    answers = [receiver.api("GET", "/accounts", key=f"guess {n}") for n in range(25)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
    assert answers[-1].headers["Retry-After"] == "60"
    assert receiver.api("GET", "/accounts").status_code == 200
