"""The accounts API: keys decide who may ask, Hostaway decides which secrets are right, and no answer holds one."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import requests

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.schema import metadata
from tests.factories import reservation, rows, snapshot, synced
from tests.receiver.steps import ACCOUNT, KEY, OTHER_ACCOUNT, Receiver, delivery, free_port

OpenReceiver = Callable[..., Receiver]
SECRET = f"sandbox-secret-{OTHER_ACCOUNT}"
WRONG = "wrong-secret-4711"
NEW = {"account_id": OTHER_ACCOUNT, "client_secret": SECRET}
EVERYTHING = [
    ("GET", "/accounts"),
    ("POST", "/accounts"),
    ("GET", f"/accounts/{ACCOUNT}"),
    ("PUT", f"/accounts/{ACCOUNT}"),
    ("PATCH", f"/accounts/{ACCOUNT}"),
    ("DELETE", f"/accounts/{ACCOUNT}"),
    ("POST", f"/accounts/{ACCOUNT}/sync"),
    ("GET", "/events"),
    ("POST", "/events/replay"),
    ("POST", "/messages"),
]


def stored(database_url: str, account_id: int) -> dict[str, Any]:
    return rows(database_url, "SELECT * FROM hostaway.accounts WHERE account_id = %s", account_id)[0]


def account_ids(database_url: str) -> list[int]:
    found = rows(database_url, "SELECT account_id FROM hostaway.accounts ORDER BY account_id")
    return [row["account_id"] for row in found]


def assert_shows_no_secret(answer: requests.Response) -> None:
    text = answer.text.lower()
    assert [word for word in ("secret", "token", "password", "v1:test:") if word in text] == []


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_nothing_is_told_or_done_without_a_right_key(
    receiver: Receiver, database_url: str, method: str, path: str
) -> None:
    for key in (None, "", "wrong", KEY.upper(), f"{KEY} ", f"Bearer {KEY}", hashlib.sha256(KEY.encode()).hexdigest()):
        answer = receiver.api(method, path, {}, key=key)
        if key != f"{KEY} ":  # a blank at the end of a header is none
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert account_ids(database_url) == [ACCOUNT]


def test_a_login_of_the_webhook_is_no_key(receiver: Receiver) -> None:
    answer = receiver.deliver(delivery())
    assert answer.ok
    assert receiver.api("GET", "/accounts", key=receiver.credential.password).status_code == 401  # type: ignore[union-attr]


def test_while_no_keys_are_set_nobody_gets_in(open_receiver: OpenReceiver) -> None:
    receiver = open_receiver(api_keys=None)
    for key in (None, "", KEY):
        answer = receiver.api("GET", "/accounts", key=key)
        assert answer.status_code == 401
        assert "HOSTAWAY_API_KEYS" in answer.json()["detail"]


def test_a_key_may_be_configured_by_its_hash(open_receiver: OpenReceiver) -> None:
    digest = "sha256:" + hashlib.sha256(b"a key that nobody wrote down").hexdigest()
    receiver = open_receiver(api_keys=f"{digest}, {KEY}")
    assert receiver.api("GET", "/accounts", key="a key that nobody wrote down").status_code == 200
    assert receiver.api("GET", "/accounts", key=KEY).status_code == 200
    assert receiver.api("GET", "/accounts", key=digest).status_code == 401, "the hash itself is no key"


def test_too_many_wrong_keys_are_told_to_wait_and_the_right_one_passes(receiver: Receiver) -> None:
    answers = [receiver.api("GET", "/accounts", key=f"guess {n}") for n in range(25)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
    assert answers[-1].headers["Retry-After"] == "60"
    assert receiver.api("GET", "/accounts").status_code == 200


def test_an_account_is_added_with_credentials_that_hostaway_accepts(receiver: Receiver, database_url: str) -> None:
    customer = "6f2c5a0e-9a0e-4b51-9f55-0d1b9a3f6f10"
    answer = receiver.api("POST", "/accounts", NEW | {"name": "Seaside", "customer_id": customer})

    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/accounts/{OTHER_ACCOUNT}"
    shown = answer.json()
    assert (shown["account_id"], shown["name"], shown["customer_id"]) == (OTHER_ACCOUNT, "Seaside", customer)
    assert (shown["status"], shown["last_sync_at"], shown["rows"]["reservations"]) == ("active", None, 0)
    assert (shown["webhook"]["is_registered"], shown["webhook_problem"]) == (False, None)
    assert_shows_no_secret(answer)
    row = stored(database_url, OTHER_ACCOUNT)
    assert row["customer_id"] == UUID(customer)
    assert row["client_secret"].startswith("v1:test:")
    assert row["next_due_at"] is not None, "its first sync is due"


def test_without_sync_nothing_is_due(receiver: Receiver, database_url: str) -> None:
    assert receiver.api("POST", "/accounts", NEW | {"sync": False}).status_code == 201
    assert stored(database_url, OTHER_ACCOUNT)["next_due_at"] is None


def test_a_secret_that_hostaway_refuses_is_not_stored(receiver: Receiver, database_url: str) -> None:
    answer = receiver.api("POST", "/accounts", NEW | {"client_secret": WRONG})
    assert answer.status_code == 422
    assert "does not accept" in answer.json()["detail"]
    assert WRONG not in answer.text
    assert account_ids(database_url) == [ACCOUNT]


def test_an_account_that_exists_is_not_replaced(receiver: Receiver, sandbox: SandboxServer, database_url: str) -> None:
    before = stored(database_url, ACCOUNT)
    answer = receiver.api("POST", "/accounts", {"account_id": ACCOUNT, "client_secret": WRONG})
    assert answer.status_code == 409
    assert stored(database_url, ACCOUNT) == before
    assert sandbox.counters.total == 0


def test_while_hostaway_is_down_nothing_is_stored(
    receiver: Receiver, sandbox: SandboxServer, database_url: str
) -> None:
    sandbox.faults.update(down=True)
    answer = receiver.api("POST", "/accounts", NEW)
    assert answer.status_code == 502
    assert "HTTP 503" in answer.json()["detail"]
    assert account_ids(database_url) == [ACCOUNT]


def test_while_nobody_answers_in_hostaways_place_nothing_is_stored(
    open_receiver: OpenReceiver, database_url: str
) -> None:
    receiver = open_receiver(api_url=f"http://127.0.0.1:{free_port()}/v1")
    assert receiver.api("POST", "/accounts", NEW).status_code == 502
    assert account_ids(database_url) == [ACCOUNT]


@pytest.fixture
def public(open_receiver: OpenReceiver, the_receiver: Receiver, sandbox: SandboxServer) -> Iterator[Receiver]:
    """A receiver that tells Hostaway where the folder's receiver listens."""
    yield open_receiver(public_url=the_receiver.url)
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        hooks = sandbox.world.account(account_id).webhooks
        for hook in hooks.all():
            hooks.remove(hook.id)
    sandbox.deliveries.wait_idle(5)
    sandbox.deliveries.reset()


def test_the_webhook_is_registered_answers_hostaway_and_goes_with_the_account(
    public: Receiver, sandbox: SandboxServer, database_url: str
) -> None:
    answer = public.api("POST", "/accounts", NEW)
    assert answer.status_code == 201
    assert answer.json()["webhook"] == {
        "is_registered": True,
        "is_enabled": True,
        "checked_at": answer.json()["webhook"]["checked_at"],
        "heard_at": None,
    }
    assert answer.json()["webhook_problem"] is None
    [hook] = sandbox.world.account(OTHER_ACCOUNT).webhooks.all()
    assert hook.settings.url.endswith("/webhooks/hostaway")
    assert sandbox.deliveries.wait_idle(5)
    assert {ping.status for ping in sandbox.deliveries.pings} == {200}

    sandbox.world.account(OTHER_ACCOUNT).add_reservation(guestName="delivered")
    assert sandbox.deliveries.wait_idle(5)
    assert sandbox.deliveries.counts()["delivered"] == 1
    stored_events = rows(database_url, "SELECT account_id, event, status FROM hostaway.webhook_events")
    assert stored_events == [{"account_id": OTHER_ACCOUNT, "event": "reservation.created", "status": "pending"}]

    answer = public.api("DELETE", f"/accounts/{OTHER_ACCOUNT}?hard=true")
    assert answer.json() == {"account_id": OTHER_ACCOUNT, "rows_deleted": True, "webhook_problem": None}
    assert sandbox.world.account(OTHER_ACCOUNT).webhooks.all() == []


def test_an_account_goes_even_while_hostaway_is_down_and_says_what_stays_there(
    public: Receiver, sandbox: SandboxServer, database_url: str
) -> None:
    public.api("POST", "/accounts", NEW)
    sandbox.faults.update(down=True)
    answer = public.api("DELETE", f"/accounts/{OTHER_ACCOUNT}")
    assert answer.status_code == 200
    assert "HTTP 503" in answer.json()["webhook_problem"]
    assert stored(database_url, OTHER_ACCOUNT)["is_active"] is False


def test_accounts_show_status_rows_and_webhook_and_no_secret(
    receiver: Receiver, services: Services, database_url: str
) -> None:
    synced(services, ACCOUNT)
    receiver.deliver(delivery(reservation(7)))
    listed, one = receiver.api("GET", "/accounts"), receiver.api("GET", f"/accounts/{ACCOUNT}")
    [summary] = listed.json()
    assert one.json() | {"webhook": None} == summary | {"webhook": None}
    assert (summary["status"], summary["last_run_status"], summary["last_error"]) == ("active", "succeeded", None)
    assert (summary["rows"]["listings"], summary["rows"]["reservations"]) == (2, 12)
    assert summary["last_sync_at"] is not None
    assert one.json()["webhook"]["heard_at"] is not None
    for answer in (listed, one):
        assert_shows_no_secret(answer)


@pytest.mark.parametrize(("method", "path"), EVERYTHING[2:7])
def test_an_account_that_is_not_known_is_404(receiver: Receiver, method: str, path: str) -> None:
    body = {"client_secret": WRONG} if method in ("PUT", "PATCH") else None
    answer = receiver.api(method, path.replace(str(ACCOUNT), "4711"), body)
    assert answer.status_code == 404
    assert "4711" in answer.json()["detail"]


@pytest.mark.parametrize("account_id", ["0", "-1", "x", "1.5", "9223372036854775808", "1" * 5000])
def test_what_is_no_id_is_422(receiver: Receiver, account_id: str) -> None:
    answer = receiver.api("GET", f"/accounts/{account_id}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("account_id: ")


def test_put_replaces_secret_and_name(receiver: Receiver, services: Services, database_url: str) -> None:
    services.accounts.rename(ACCOUNT, "before")
    before = stored(database_url, ACCOUNT)["client_secret"]
    answer = receiver.api("PUT", f"/accounts/{ACCOUNT}", {"client_secret": f"sandbox-secret-{ACCOUNT}"})
    assert (answer.status_code, answer.json()["name"]) == (200, None)
    assert stored(database_url, ACCOUNT)["client_secret"] != before
    assert_shows_no_secret(answer)


def test_patch_changes_what_is_given(receiver: Receiver, database_url: str) -> None:
    before = stored(database_url, ACCOUNT)
    assert receiver.api("PATCH", f"/accounts/{ACCOUNT}", {"name": "after"}).json()["name"] == "after"
    assert receiver.api("PATCH", f"/accounts/{ACCOUNT}", {}).json()["name"] == "after"
    assert receiver.api("PATCH", f"/accounts/{ACCOUNT}", {"name": None}).json()["name"] is None
    assert stored(database_url, ACCOUNT)["client_secret"] == before["client_secret"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_wrong_new_secret_changes_nothing(receiver: Receiver, database_url: str, method: str) -> None:
    before = stored(database_url, ACCOUNT)
    answer = receiver.api(method, f"/accounts/{ACCOUNT}", {"client_secret": WRONG, "name": "after"})
    assert answer.status_code == 422
    assert WRONG not in answer.text
    assert stored(database_url, ACCOUNT) == before


def test_a_soft_delete_keeps_the_rows_and_forgets_the_secrets(
    receiver: Receiver, services: Services, database_url: str
) -> None:
    synced(services, ACCOUNT)
    answer = receiver.api("DELETE", f"/accounts/{ACCOUNT}")
    assert answer.json() == {"account_id": ACCOUNT, "rows_deleted": False, "webhook_problem": None}
    row = stored(database_url, ACCOUNT)
    assert (row["is_active"], row["client_secret"], row["access_token"], row["webhook_password"]) == (
        False, None, None, None,
    )  # fmt: skip
    shown = receiver.api("GET", f"/accounts/{ACCOUNT}").json()
    assert (shown["status"], shown["rows"]["reservations"]) == ("removed", 12)
    assert receiver.api("POST", f"/accounts/{ACCOUNT}/sync").status_code == 404


def test_an_account_that_was_removed_comes_back_with_its_rows(
    receiver: Receiver, services: Services, database_url: str
) -> None:
    synced(services, ACCOUNT)
    receiver.api("DELETE", f"/accounts/{ACCOUNT}")
    back = {"account_id": ACCOUNT, "client_secret": f"sandbox-secret-{ACCOUNT}"}
    answer = receiver.api("POST", "/accounts", back)
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["rows"]["reservations"]) == ("active", 12)


def test_a_hard_delete_leaves_no_row_anywhere(receiver: Receiver, services: Services, database_url: str) -> None:
    synced(services, ACCOUNT)
    receiver.deliver(delivery())
    message = {"reservation_id": some_reservation(database_url), "message": "Hello"}
    assert receiver.api("POST", "/messages", message, **{"Idempotency-Key": "k"}).status_code == 201
    tables = [table.fullname for table in metadata.tables.values() if "account_id" in table.c]
    assert len(tables) > 8

    answer = receiver.api("DELETE", f"/accounts/{ACCOUNT}?hard=true")

    assert (answer.status_code, answer.json()["rows_deleted"]) == (200, True)
    left = {name: len(rows(database_url, f"SELECT 1 FROM {name} WHERE account_id = %s", ACCOUNT)) for name in tables}
    assert left == dict.fromkeys(tables, 0)
    assert receiver.api("DELETE", f"/accounts/{ACCOUNT}?hard=true").status_code == 404


def some_reservation(database_url: str) -> int:
    query = "SELECT reservation_id FROM hostaway.conversations WHERE reservation_id IS NOT NULL LIMIT 1"
    return int(rows(database_url, query)[0]["reservation_id"])


@pytest.mark.parametrize("mode", ["full", "reconcile", "refresh"])
def test_a_sync_is_asked_for_and_not_waited_for(
    receiver: Receiver, sandbox: SandboxServer, database_url: str, mode: str
) -> None:
    answer = receiver.api("POST", f"/accounts/{ACCOUNT}/sync?mode={mode}")
    assert answer.status_code == 202
    assert answer.json() == {"account_id": ACCOUNT, "mode": mode, "status": "requested"}
    row = stored(database_url, ACCOUNT)
    assert row["next_due_at"] is not None
    assert row["next_mode"] == mode
    assert sandbox.counters.total == 0


def test_a_dry_run_counts_and_writes_nothing(receiver: Receiver, services: Services, database_url: str) -> None:
    before = snapshot(database_url)
    answer = receiver.api("POST", f"/accounts/{ACCOUNT}/sync?dry_run=true&mode=full")
    assert answer.status_code == 200
    report = answer.json()
    assert (report["status"], report["error"], report["mode"]) == ("succeeded", None, "full")
    assert report["entities"]["reservations"] == {
        "fetched": 12, "inserted": 12, "updated": 0, "unchanged": 0, "deleted": 0,
    }  # fmt: skip
    assert report["api_calls"] > 3
    assert snapshot(database_url) == before
    assert stored(database_url, ACCOUNT)["next_due_at"] is None


def test_a_dry_run_waits_for_no_other_sync(receiver: Receiver, services: Services) -> None:
    with services.account_lock(ACCOUNT, 0):
        answer = receiver.api("POST", f"/accounts/{ACCOUNT}/sync?dry_run=true")
    assert answer.status_code == 409


def test_an_unknown_mode_is_422(receiver: Receiver) -> None:
    assert receiver.api("POST", f"/accounts/{ACCOUNT}/sync?mode=everything").status_code == 422


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
def test_a_body_of_the_wrong_form_is_not_repeated(receiver: Receiver, database_url: str, body: Any) -> None:
    text = json.dumps(body).replace("Infinity", "1e400").encode()
    answer = receiver.api("POST", "/accounts", text)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
    assert WRONG not in answer.text
    assert account_ids(database_url) == [ACCOUNT]


@pytest.mark.parametrize("body", [b'{"client_secret": "' + WRONG.encode(), b"\xff" + WRONG.encode(), b"[" * 100_000])
def test_a_body_that_is_no_json_is_not_repeated(receiver: Receiver, body: bytes) -> None:
    answer = receiver.api("POST", "/accounts", body)
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)
    assert WRONG not in answer.text


def test_a_large_body_is_refused_before_anybody_is_asked(receiver: Receiver) -> None:
    """Of those who have no key, nothing is read."""
    body = {"account_id": 5, "client_secret": "x" * 2_000_000}
    assert receiver.api("POST", "/accounts", body).status_code == 413
    assert receiver.api("POST", "/accounts", body, key=None).status_code == 401
