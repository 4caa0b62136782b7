"""Authentication of deliveries: logins, signatures, and the limit of wrong tries. Refusals reveal nothing."""

import hashlib
import hmac
import time
from datetime import timedelta

import orjson
import pytest

from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.sync.onboard import remove_account
from tests.factories import add_account, reservation, rows
from tests.receiver.steps import OTHER_ACCOUNT, PING, OpenReceiver, Receiver, basic, delivery, events
from tests.waiting import wait_until
from webhook_receiver.auth import WrongTries

SIGNATURE = "X-Proxy-Signature"


def test_all_wrong_credentials_get_the_same_answer(receiver: Receiver, credential: Credential) -> None:
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


def test_the_scheme_is_case_insensitive(receiver: Receiver, credential: Credential) -> None:
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


def test_a_new_account_can_deliver_at_once_even_right_after_a_wrong_login(
    receiver: Receiver, services: Services
) -> None:
    """Hostaway sends its test delivery as soon as the webhook is registered."""
    add_account(services, OTHER_ACCOUNT)
    assert receiver.post(PING, basic("wrong login", "wrong")).status_code == 401
    fresh = services.webhooks.ensure_credential(OTHER_ACCOUNT)
    assert receiver.deliver(PING, fresh).status_code == 200


def test_too_many_wrong_tries_are_answered_429_and_right_credentials_still_200(
    receiver: Receiver, credential: Credential
) -> None:
    answers = [receiver.post(PING, basic(credential.login, f"guess {n}")) for n in range(30)]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * statuses.count(401) + [429] * statuses.count(429)
    assert statuses.count(429) == 10
    assert answers[-1].headers["Retry-After"] == "60"
    assert receiver.deliver(delivery()).status_code == 200, "Hostaway may share this address"
    assert receiver.from_another_address().post(PING, basic("a", "b")).status_code == 401, "another address"


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


def test_the_previous_password_is_refused_after_its_expiry_even_when_it_was_cached(
    open_receiver: OpenReceiver, services: Services, credential: Credential, database_url: str
) -> None:
    """A cached login is looked up again before it is accepted."""
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
    wait_until(lambda: receiver.deliver(delivery()).status_code == 401)
    assert events(database_url) == []


@pytest.fixture
def signing_receiver(open_receiver: OpenReceiver) -> Receiver:
    return open_receiver(webhook_signature_header=SIGNATURE, webhook_signature_secrets="old secret,new secret")


def signature(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_signature_by_any_secret_is_accepted_with_or_without_the_prefix(
    signing_receiver: Receiver, database_url: str
) -> None:
    for number, (secret, prefix) in enumerate((s, p) for s in ("old secret", "new secret") for p in ("", "sha256=")):
        body = orjson.dumps(delivery(reservation(number)))
        assert signing_receiver.deliver(body, **{SIGNATURE: prefix + signature(body, secret)}).status_code == 200
        upper = {SIGNATURE: prefix + signature(body, secret).upper()}
        assert signing_receiver.deliver(body, **upper).status_code == 200
    assert len(events(database_url)) == 4


def test_a_delivery_without_a_right_signature_is_refused(signing_receiver: Receiver, database_url: str) -> None:
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
    answers = [signing_receiver.deliver(body, **{SIGNATURE: one.encode().decode("latin-1")}) for one in wrong]
    answers.append(signing_receiver.deliver(body))
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, '{"detail":"wrong credentials"}')}
    assert events(database_url) == []


def test_a_right_signature_does_not_replace_the_login(signing_receiver: Receiver) -> None:
    body = orjson.dumps(delivery())
    assert signing_receiver.post(body, {SIGNATURE: signature(body, "new secret")}).status_code == 401


def test_wrong_tries_of_many_addresses_are_counted_in_bounded_memory() -> None:
    tries = WrongTries()
    for n in range(60_000):
        assert not tries.count_and_check(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(tries) <= 10_000


@pytest.mark.parametrize(
    ("addresses", "is_one"),
    [
        (("2001:db8::1", "2001:db8::2", "2001:0db8:0:0:ffff:ffff:ffff:ffff"), True),
        (("2001:db8:0:1::1", "2001:db8:0:2::1"), False),
        (("::ffff:192.0.2.1", "192.0.2.1"), True),
        (("::ffff:192.0.2.1", "::ffff:192.0.2.2"), False),
        (("192.0.2.1", "192.0.2.2"), False),
        (("x" * 10_000, "x" * 20_000), True),
    ],
)
def test_addresses_of_one_network_count_as_one(addresses: tuple[str, ...], is_one: bool) -> None:
    tries = WrongTries()
    for n in range(21):
        found = tries.count_and_check(addresses[n % len(addresses)])
    assert found == is_one
