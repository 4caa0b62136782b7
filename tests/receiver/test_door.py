"""The door of the webhook: who gets in, who does not, and that nobody learns anything at it."""

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest

from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.sync.onboard import remove_account
from tests.factories import add_account, reservation, rows
from tests.receiver.steps import OTHER_ACCOUNT, PING, Receiver, basic, delivery, events, wait_until

OpenReceiver = Callable[..., Receiver]
SIGNATURE = "X-Proxy-Signature"


def test_whatever_is_wrong_the_answer_is_the_same(receiver: Receiver, credential: Credential) -> None:
    """Neither body nor headers tell whether an account, its login or its password exists."""
    right = basic(credential.login, credential.password)["Authorization"]
    wrong: list[dict[str, str]] = [
        {},
        basic(credential.login, "wrong password"),
        basic("wrong login", credential.password),
        basic("", ""),
        basic(credential.password, credential.login),
        {"Authorization": ""},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic bm8gY29sb24="},
        {"Authorization": "Basic //79"},
        {"Authorization": right.replace("Basic", "Bearer")},
        {"Authorization": right + "x"},
    ]
    body = orjson.dumps(delivery())
    answers = [receiver.post(body, headers) for headers in wrong]
    answers.append(receiver.deliver(delivery(accountId=OTHER_ACCOUNT)))
    answers.append(receiver.deliver(delivery(accountId=4711)))
    seen = {(answer.status_code, answer.text, shown(dict(answer.headers))) for answer in answers}
    assert len(seen) == 1
    assert answers[0].status_code == 401
    assert answers[0].json() == {"detail": "wrong credentials"}
    assert answers[0].headers["WWW-Authenticate"].startswith("Basic ")


def shown(headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Without what differs between any two answers."""
    return tuple(
        sorted((name, value) for name, value in headers.items() if name.lower() not in ("date", "x-request-id"))
    )


def test_the_scheme_is_written_in_any_case(receiver: Receiver, credential: Credential) -> None:
    right = basic(credential.login, credential.password)["Authorization"]
    assert receiver.post(orjson.dumps(delivery()), {"Authorization": right.replace("Basic", "basic")}).ok


def test_one_account_cannot_deliver_for_another(receiver: Receiver, services: Services, database_url: str) -> None:
    add_account(services, OTHER_ACCOUNT)
    other = services.webhooks.ensure_credential(OTHER_ACCOUNT)
    for body in (delivery(), {"payload": delivery()}, {"payload": delivery(), "accountId": OTHER_ACCOUNT}):
        assert receiver.deliver(body, other).status_code == 401
    assert receiver.deliver(delivery(accountId=OTHER_ACCOUNT)).status_code == 401
    assert events(database_url) == []


def test_two_accounts_may_have_the_same_object_ids(receiver: Receiver, services: Services, database_url: str) -> None:
    add_account(services, OTHER_ACCOUNT)
    other = services.webhooks.ensure_credential(OTHER_ACCOUNT)
    assert receiver.deliver(delivery(reservation(7))).ok
    assert receiver.deliver(delivery(reservation(7), accountId=OTHER_ACCOUNT), other).ok
    assert len({event["account_id"] for event in events(database_url)}) == 2


def test_a_new_account_is_let_in_at_once_even_right_after_a_wrong_login(receiver: Receiver, services: Services) -> None:
    """Hostaway's test delivery comes as soon as it is told of the webhook."""
    add_account(services, OTHER_ACCOUNT)
    assert receiver.post(PING, basic("wrong login", "wrong")).status_code == 401
    fresh = services.webhooks.ensure_credential(OTHER_ACCOUNT)
    assert receiver.deliver(PING, fresh).status_code == 200


def test_too_many_wrong_tries_are_told_to_wait_and_the_right_ones_pass(
    receiver: Receiver, credential: Credential
) -> None:
    answers = [receiver.post(PING, basic(credential.login, f"guess {n}")) for n in range(30)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * statuses.count(401) + [429] * statuses.count(429)
    assert statuses.count(429) == 10
    assert answers[-1].headers["Retry-After"] == "60"
    assert receiver.deliver(delivery()).status_code == 200, "Hostaway may share this address"
    assert receiver.from_another_address().post(PING, basic("a", "b")).status_code == 401, "others are not meant"


def test_deliveries_for_another_account_count_as_wrong_tries(receiver: Receiver) -> None:
    assert [receiver.deliver(delivery(accountId=OTHER_ACCOUNT)).status_code for _ in range(21)][-1] == 429


def test_both_passwords_are_accepted_during_a_rotation(
    receiver: Receiver, services: Services, credential: Credential, database_url: str
) -> None:
    fresh = services.webhooks.rotate(credential.account_id, timedelta(hours=1))
    assert fresh.password != credential.password
    assert receiver.deliver(delivery(reservation(1)), fresh).ok
    assert receiver.deliver(delivery(reservation(2)), credential).ok
    assert len(events(database_url)) == 2


def test_the_previous_password_is_refused_once_its_time_is_over_however_seldom_somebody_comes(
    open_receiver: OpenReceiver, services: Services, credential: Credential, database_url: str
) -> None:
    """What was right when it was last looked up is looked up again before it counts."""
    receiver = open_receiver()
    fresh = services.webhooks.rotate(credential.account_id, timedelta(hours=1))
    assert receiver.deliver(PING, credential).ok
    rows(database_url, "UPDATE hostaway.accounts SET webhook_previous_until = now() RETURNING 1")
    time.sleep(4.2)
    assert receiver.deliver(PING, credential).status_code == 401
    assert receiver.deliver(PING, fresh).ok


def test_a_removed_account_is_refused_within_seconds_and_nothing_of_it_is_stored(
    open_receiver: OpenReceiver, services: Services, credential: Credential, database_url: str
) -> None:
    receiver = open_receiver()
    assert receiver.deliver(PING).ok
    remove_account(services, credential.account_id, hard=False)
    assert receiver.deliver(delivery()).status_code in (200, 401)
    wait_until(lambda: receiver.deliver(delivery()).status_code == 401, seconds=6)
    assert events(database_url) == []


@pytest.fixture
def signed(open_receiver: OpenReceiver) -> Receiver:
    return open_receiver(webhook_signature_header=SIGNATURE, webhook_signature_secrets="old secret,new secret")


def signature(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_any_of_the_secrets_may_have_signed_with_or_without_the_prefix(signed: Receiver, database_url: str) -> None:
    for number, (secret, prefix) in enumerate((s, p) for s in ("old secret", "new secret") for p in ("", "sha256=")):
        body = orjson.dumps(delivery(reservation(number)))
        assert signed.deliver(body, **{SIGNATURE: prefix + signature(body, secret)}).status_code == 200
        upper = {SIGNATURE: prefix + signature(body, secret).upper()}
        assert signed.deliver(body, **upper).status_code == 200
    assert len(events(database_url)) == 4


def test_without_a_right_signature_nobody_gets_in(signed: Receiver, database_url: str) -> None:
    body = orjson.dumps(delivery())
    right = signature(body, "new secret")
    wrong = (
        signature(body, "another secret"),
        signature(body + b" ", "new secret"),
        "",
        "sha256=",
        "sha1=" + right,
        right[:-1],
        "sha256=sha256=" + right,
        "ä",
    )
    answers = [signed.deliver(body, **{SIGNATURE: one.encode().decode("latin-1")}) for one in wrong]
    answers.append(signed.deliver(body))
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, '{"detail":"wrong credentials"}')}
    assert events(database_url) == []


def test_a_right_signature_does_not_replace_the_login(signed: Receiver) -> None:
    body = orjson.dumps(delivery())
    assert signed.post(body, {SIGNATURE: signature(body, "new secret")}).status_code == 401
