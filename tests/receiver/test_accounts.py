"""The accounts API: Hostaway decides which secrets are right, and no answer holds one."""

from collections.abc import Iterator
from uuid import UUID

import pytest
import requests

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.schema import metadata
from tests.factories import reservation, rows, synced
from tests.receiver.steps import (
    ACCOUNT,
    OPERATIONS,
    OTHER_ACCOUNT,
    OpenReceiver,
    Receiver,
    account_ids,
    delivery,
    requested_modes,
    stored_account,
)

SECRET = f"sandbox-secret-{OTHER_ACCOUNT}"
WRONG = "wrong-secret-4711"
NEW = {"account_id": OTHER_ACCOUNT, "client_secret": SECRET}


def assert_shows_no_secret(answer: requests.Response) -> None:
    text = answer.text.lower()
    assert [word for word in ("secret", "token", "password", "v1:test:") if word in text] == []


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
    row = stored_account(database_url, OTHER_ACCOUNT)
    assert row["customer_id"] == UUID(customer)
    assert row["client_secret"].startswith("v1:test:")
    assert requested_modes(database_url, OTHER_ACCOUNT) == ["reconcile"], "its first sync"


def test_with_sync_false_no_sync_is_due(receiver: Receiver, database_url: str) -> None:
    assert receiver.api("POST", "/accounts", NEW | {"sync": False}).status_code == 201
    assert requested_modes(database_url, OTHER_ACCOUNT) == []


def test_a_secret_that_hostaway_refuses_is_not_stored(receiver: Receiver, database_url: str) -> None:
    answer = receiver.api("POST", "/accounts", NEW | {"client_secret": WRONG})
    assert answer.status_code == 422
    assert "does not accept" in answer.json()["detail"]
    assert WRONG not in answer.text
    assert account_ids(database_url) == [ACCOUNT]


def test_adding_an_existing_account_changes_nothing(
    receiver: Receiver, sandbox: SandboxServer, database_url: str
) -> None:
    before = stored_account(database_url, ACCOUNT)
    answer = receiver.api("POST", "/accounts", {"account_id": ACCOUNT, "client_secret": WRONG})
    assert answer.status_code == 409
    assert stored_account(database_url, ACCOUNT) == before
    assert sandbox.counters.total == 0


def test_no_account_is_added_while_hostaway_is_down(
    receiver: Receiver, sandbox: SandboxServer, database_url: str
) -> None:
    sandbox.faults.update(down=True)
    answer = receiver.api("POST", "/accounts", NEW)
    assert answer.status_code == 502
    assert "HTTP 503" in answer.json()["detail"]
    assert account_ids(database_url) == [ACCOUNT]


def test_no_account_is_added_while_hostaway_is_unreachable(open_receiver: OpenReceiver, database_url: str) -> None:
    receiver = open_receiver(api_url=f"http://127.0.0.1:{free_port()}/v1")
    assert receiver.api("POST", "/accounts", NEW).status_code == 502
    assert account_ids(database_url) == [ACCOUNT]


@pytest.fixture
def public_receiver(open_receiver: OpenReceiver, the_receiver: Receiver, sandbox: SandboxServer) -> Iterator[Receiver]:
    """Registers webhooks with the URL of the folder's receiver."""
    yield open_receiver(public_url=the_receiver.url)
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        hooks = sandbox.world.account(account_id).webhooks
        for hook in hooks.all():
            hooks.remove(hook.id)
    sandbox.deliveries.wait_idle(5)
    sandbox.deliveries.reset()


def test_a_webhook_is_registered_with_an_account_and_deleted_with_it(
    public_receiver: Receiver, sandbox: SandboxServer, database_url: str
) -> None:
    answer = public_receiver.api("POST", "/accounts", NEW)
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

    answer = public_receiver.api("DELETE", f"/accounts/{OTHER_ACCOUNT}?hard=true")
    assert answer.json() == {"account_id": OTHER_ACCOUNT, "rows_deleted": True, "webhook_problem": None}
    assert sandbox.world.account(OTHER_ACCOUNT).webhooks.all() == []


def test_an_account_removed_while_hostaway_is_down_reports_the_leftover_webhook(
    public_receiver: Receiver, sandbox: SandboxServer, database_url: str
) -> None:
    public_receiver.api("POST", "/accounts", NEW)
    sandbox.faults.update(down=True)
    answer = public_receiver.api("DELETE", f"/accounts/{OTHER_ACCOUNT}")
    assert answer.status_code == 200
    assert "HTTP 503" in answer.json()["webhook_problem"]
    assert stored_account(database_url, OTHER_ACCOUNT)["is_active"] is False


def test_accounts_show_status_rows_and_webhook_and_no_secret(
    receiver: Receiver, services: Services, database_url: str
) -> None:
    synced(services, ACCOUNT)
    receiver.deliver(delivery(reservation(7)))
    listed, one = receiver.api("GET", "/accounts"), receiver.api("GET", f"/accounts/{ACCOUNT}")
    [summary] = listed.json()
    hidden = {"webhook": None, "due": None}
    assert one.json() | hidden == summary | hidden
    assert {due["mode"] for due in one.json()["due"]} == {"reconcile", "refresh", "listings"}
    assert (summary["status"], summary["last_run_status"], summary["last_error"]) == ("active", "succeeded", None)
    assert (summary["rows"]["listings"], summary["rows"]["reservations"]) == (2, 12)
    assert summary["last_sync_at"] is not None
    assert one.json()["webhook"]["heard_at"] is not None
    for answer in (listed, one):
        assert_shows_no_secret(answer)


@pytest.mark.parametrize(("method", "path"), OPERATIONS[2:7])
def test_an_unknown_account_is_404(receiver: Receiver, method: str, path: str) -> None:
    body = {"client_secret": WRONG} if method in ("PUT", "PATCH") else None
    answer = receiver.api(method, path.replace(str(ACCOUNT), "4711"), body)
    assert answer.status_code == 404
    assert "4711" in answer.json()["detail"]


@pytest.mark.parametrize("account_id", ["0", "-1", "x", "1.5", "9223372036854775808", "1" * 5000])
def test_an_invalid_account_id_is_422(receiver: Receiver, account_id: str) -> None:
    answer = receiver.api("GET", f"/accounts/{account_id}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("account_id: ")


def test_put_replaces_secret_and_name(receiver: Receiver, services: Services, database_url: str) -> None:
    services.accounts.rename(ACCOUNT, "before")
    before = stored_account(database_url, ACCOUNT)["client_secret"]
    answer = receiver.api("PUT", f"/accounts/{ACCOUNT}", {"client_secret": f"sandbox-secret-{ACCOUNT}"})
    assert (answer.status_code, answer.json()["name"]) == (200, None)
    assert stored_account(database_url, ACCOUNT)["client_secret"] != before
    assert_shows_no_secret(answer)


def test_patch_changes_only_the_given_fields(receiver: Receiver, database_url: str) -> None:
    before = stored_account(database_url, ACCOUNT)
    assert receiver.api("PATCH", f"/accounts/{ACCOUNT}", {"name": "after"}).json()["name"] == "after"
    assert receiver.api("PATCH", f"/accounts/{ACCOUNT}", {}).json()["name"] == "after"
    assert receiver.api("PATCH", f"/accounts/{ACCOUNT}", {"name": None}).json()["name"] is None
    assert stored_account(database_url, ACCOUNT)["client_secret"] == before["client_secret"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_wrong_new_secret_changes_nothing(receiver: Receiver, database_url: str, method: str) -> None:
    before = stored_account(database_url, ACCOUNT)
    answer = receiver.api(method, f"/accounts/{ACCOUNT}", {"client_secret": WRONG, "name": "after"})
    assert answer.status_code == 422
    assert WRONG not in answer.text
    assert stored_account(database_url, ACCOUNT) == before


def test_a_soft_delete_keeps_the_rows_and_erases_the_secrets(
    receiver: Receiver, services: Services, database_url: str
) -> None:
    synced(services, ACCOUNT)
    answer = receiver.api("DELETE", f"/accounts/{ACCOUNT}")
    assert answer.json() == {"account_id": ACCOUNT, "rows_deleted": False, "webhook_problem": None}
    row = stored_account(database_url, ACCOUNT)
    assert (row["is_active"], row["client_secret"], row["access_token"], row["webhook_password"]) == (
        False, None, None, None,
    )  # fmt: skip
    shown = receiver.api("GET", f"/accounts/{ACCOUNT}").json()
    assert (shown["status"], shown["rows"]["reservations"]) == ("removed", 12)
    assert receiver.api("POST", f"/accounts/{ACCOUNT}/sync").status_code == 404


def test_a_removed_account_can_be_added_again_and_keeps_its_rows(
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


def test_an_account_gets_a_schedule_of_its_own(receiver: Receiver, database_url: str) -> None:
    answer = receiver.api("PATCH", f"/accounts/{ACCOUNT}", {"schedule": {"refresh": "30m", "reconcile": "03:00"}})
    assert answer.status_code == 200
    assert answer.json()["schedule"] == {"reconcile": "03:00", "refresh": "30m"}
    due = {one["mode"]: one for one in answer.json()["due"]}
    assert due["reconcile"]["schedule"] == "03:00"
    assert due["reconcile"]["next_due_at"].endswith("T03:00:00Z")
    (shown,) = [one for one in receiver.api("GET", "/accounts").json() if one["account_id"] == ACCOUNT]
    assert shown["schedule"] == {"reconcile": "03:00", "refresh": "30m"}
    answer = receiver.api("PATCH", f"/accounts/{ACCOUNT}", {"schedule": {"refresh": "default"}})
    assert answer.json()["schedule"] == {"reconcile": "03:00"}


@pytest.mark.parametrize("schedule", [{"refresh": "30"}, {"reconcile": "30m"}, {"full": "1d"}, {"refresh": "8d"}])
def test_a_schedule_that_means_nothing_is_422(receiver: Receiver, schedule: dict[str, str]) -> None:
    assert receiver.api("PATCH", f"/accounts/{ACCOUNT}", {"schedule": schedule}).status_code == 422
    assert receiver.api("GET", f"/accounts/{ACCOUNT}").json()["schedule"] == {}
