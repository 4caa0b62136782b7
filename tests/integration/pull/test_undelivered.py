"""Recovery of undelivered events: found in Hostaway's log and read by id; and a reconcile repairs everything."""

import random
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.errors import ApiError
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.undelivered import recover_undelivered
from hostaway_pipeline.sync.registration import ensure_webhook
from tests.factories import OpenSandbox, OpenServices, add_account, assert_equal_to_source, orphans, rows, sync, synced
from tests.first_syncs import after_first_sync
from tests.sandbox.receiver import Receiver

ACCOUNT = 59808
LOGS = "/v1/unifiedWebhookLogs"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:3:40", webhook_time_scale=6000.0)  # the first retry comes after 0.05 s


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices, receiver: Receiver) -> Services:
    """An account that is synced and registered, and whose log was read once. From then on no delivery arrives."""
    after_first_sync(open_services(sandbox), sandbox)
    services = open_services(sandbox, public_url=f"http://{urlsplit(receiver.url).netloc}")
    with services.client(ACCOUNT) as client:
        ensure_webhook(services, client)
    assert recovered(services) == {}
    sandbox.counters.reset()
    sandbox.faults.update(delivery_drop_share=1.0)
    return services


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    return sandbox.world.account(ACCOUNT)


def recovered(services: Services) -> dict[str, Counts]:
    with services.client(ACCOUNT) as client:
        return recover_undelivered(services, services.accounts.get(ACCOUNT), client)


def ids(account: Account, entity: str, count: int) -> list[int]:
    return [payload["id"] for payload in account.truth(entity)][:count]


def read(sandbox: SandboxServer) -> int:
    """Objects read by id."""
    return sum(calls for path, calls in sandbox.counters.calls().items() if path.endswith("}"))


def test_without_new_log_entries_recovery_costs_one_call(sandbox: SandboxServer, services: Services) -> None:
    assert recovered(services) == {}
    assert dict(sandbox.counters.calls()) == {LOGS: 1}


def test_an_undelivered_object_is_read_by_id_without_a_sweep(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    for reservation_id in ids(account, "reservations", 3):
        account.update_reservation(reservation_id, guestName="not delivered")
    added = account.add_reservation(guestName="new and not delivered")

    counts = recovered(services)

    assert counts["reservations"] == Counts(fetched=4, inserted=1, updated=3)
    assert dict(sandbox.counters.calls()) == {LOGS: 2, "/v1/reservations/{id}": 4}
    assert rows(database_url, "SELECT guest_name FROM hostaway.reservations WHERE id = %s", added["id"])
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_an_undelivered_object_is_read_once_however_often_its_delivery_failed(
    sandbox: SandboxServer, services: Services, account: Account
) -> None:
    for _ in range(5):
        account.update_reservation(ids(account, "reservations", 1)[0], guestName="again")
    recovered(services)
    assert read(sandbox) == 1
    assert recovered(services) == {}
    assert read(sandbox) == 1


def test_a_delivered_object_is_not_read(sandbox: SandboxServer, services: Services, account: Account) -> None:
    sandbox.faults.clear()
    for reservation_id in ids(account, "reservations", 3):
        account.update_reservation(reservation_id, guestName="delivered")
    assert sandbox.deliveries.wait_idle(60)
    recovered(services)
    assert read(sandbox) == 0


def test_an_object_delivered_by_a_retry_is_not_read(
    sandbox: SandboxServer, services: Services, account: Account, receiver: Receiver
) -> None:
    sandbox.faults.clear()
    receiver.answers = [503, 503]
    account.update_reservation(ids(account, "reservations", 1)[0], guestName="delivered in the end")
    assert sandbox.deliveries.wait_idle(60)
    assert sandbox.deliveries.counts()["answers"] == {"503": 2, "200": 1}
    recovered(services)
    assert read(sandbox) == 0


def test_an_object_whose_retries_all_failed_is_read(
    sandbox: SandboxServer, services: Services, account: Account, receiver: Receiver, database_url: str
) -> None:
    sandbox.faults.clear()
    receiver.status = 503
    account.update_reservation(ids(account, "reservations", 1)[0], guestName="never delivered")
    assert sandbox.deliveries.wait_idle(60)
    assert recovered(services)["reservations"].updated == 1
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_an_object_deleted_meanwhile_becomes_a_tombstone(
    services: Services, account: Account, database_url: str
) -> None:
    gone = ids(account, "reservations", 1)[0]
    account.update_reservation(gone, guestName="about to go")
    account.delete_reservation(gone)
    assert recovered(services)["reservations"] == Counts(deleted=1)
    deleted = rows(database_url, "SELECT id FROM hostaway.reservations WHERE deleted_at IS NOT NULL")
    assert [row["id"] for row in deleted] == [gone]


def test_an_object_missing_in_one_read_is_read_again(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    alive = ids(account, "reservations", 1)[0]
    account.update_reservation(alive, guestName="not delivered")
    sandbox.faults.update(odd_answers={"/v1/reservations/{id}": "404"}, odd_answers_left=1)
    assert recovered(services)["reservations"] == Counts(fetched=1, updated=1)
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_no_more_than_the_daily_budget_is_deleted_and_the_log_says_so(
    services: Services, account: Account, database_url: str
) -> None:
    """Of 40 reservations, 8 may be deleted; the next sweep finds the others missing and reports them."""
    for reservation_id in ids(account, "reservations", 10):
        account.update_reservation(reservation_id, guestName="about to go")
        account.delete_reservation(reservation_id)
    with capture_logs() as logs:
        assert recovered(services)["reservations"] == Counts(deleted=8)
    reasons = [entry["reason"] for entry in logs if "reason" in entry]
    assert ["at most 8 may be deleted in a day" in reason for reason in reasons] == [True, True]
    assert sync(services, ACCOUNT, mode="reconcile").status == "incomplete"


@pytest.mark.parametrize("oddity", ["empty", "null", "html", "html-404", "404"])
def test_a_wrong_answer_to_the_log_skips_no_entry(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str, oddity: str
) -> None:
    account.update_reservation(ids(account, "reservations", 1)[0], guestName="not delivered")
    sandbox.faults.update(odd_answers={LOGS: oddity})
    with services.interactive_client(ACCOUNT) as client, suppress(ApiError):
        assert recover_undelivered(services, services.accounts.get(ACCOUNT), client) == {}
    sandbox.faults.update(odd_answers={})
    assert recovered(services)["reservations"].updated == 1


def test_a_log_that_breaks_off_after_a_page_skips_no_entry(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    """The second page is empty: without checking the count, its entries would never be read."""
    first, *others = ids(account, "reservations", 30)
    account.update_reservation(first, guestName="the oldest entry")
    for _ in range(4):
        for reservation_id in others:
            account.touch_reservation(reservation_id)
    sandbox.faults.update(odd_answers={LOGS: "empty-after-first"})
    with pytest.raises(ApiError, match="100 entries but a count of"):
        recovered(services)
    sandbox.faults.update(odd_answers={})
    recovered(services)
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


@pytest.mark.parametrize("oddity", ["null", "500"])
def test_an_object_that_is_never_answered_stops_no_other(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str, oddity: str
) -> None:
    bad, other = ids(account, "reservations", 2)
    for reservation_id in (other, bad):
        account.update_reservation(reservation_id, guestName="not delivered")
    sandbox.faults.update(odd_answers={f"/v1/reservations/{bad}": oddity})
    with services.interactive_client(ACCOUNT) as client:
        assert recover_undelivered(services, services.accounts.get(ACCOUNT), client)["reservations"].updated == 1
    sandbox.counters.reset()
    assert recovered(services) == {}
    assert read(sandbox) == 0


def test_a_stored_message_is_read_by_id(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    message = next(iter(account.truth("messages")))
    account.edit_message(message["conversationId"], message["id"], "edited, and not delivered")
    account.emit(
        "message.received", "conversationMessage", account.message(message["conversationId"], message["id"]).payload()
    )
    assert recovered(services)["messages"].updated == 1
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_a_message_that_is_not_stored_is_left_to_its_conversations_marker(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    account.add_message(ids(account, "conversations", 1)[0], "not delivered")
    assert recovered(services) == {}
    assert read(sandbox) == 0
    synced(services, ACCOUNT, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_an_object_that_hostaway_refuses_stops_no_other(
    sandbox: SandboxServer, services: Services, account: Account
) -> None:
    """A locked reservation answers 403 for ever: the entries after it must still be read, and once."""
    locked, other = ids(account, "reservations", 2)
    for reservation_id in (other, locked):
        account.update_reservation(reservation_id, guestName="not delivered")
    account.locked_reservations.add(locked)
    assert recovered(services)["reservations"].updated == 1
    sandbox.counters.reset()
    assert recovered(services) == {}
    assert read(sandbox) == 0


def test_unknown_kinds_in_the_log_are_skipped(sandbox: SandboxServer, services: Services, account: Account) -> None:
    account.emit("task.created", "task", {"id": 1})
    account.emit("something.new", "something", {"id": None})
    assert recovered(services) == {}
    assert read(sandbox) == 0


def test_the_first_recovery_only_stores_its_position(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    """Until then a sync read every object; entries logged since the first, empty read count."""
    rows(database_url, "UPDATE hostaway.accounts SET webhook_log_id = NULL RETURNING 1")
    first, second = ids(account, "reservations", 2)
    account.update_reservation(first, guestName="before")
    assert recovered(services) == {}
    assert read(sandbox) == 0
    account.update_reservation(second, guestName="after")
    assert recovered(services)["reservations"].updated == 1
    assert read(sandbox) == 1


def test_after_a_failure_the_next_recovery_starts_at_the_same_position(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    account.update_reservation(ids(account, "reservations", 1)[0], guestName="not delivered")
    sandbox.faults.update(down=True)
    with services.interactive_client(ACCOUNT) as client, pytest.raises(ApiError):
        recover_undelivered(services, services.accounts.get(ACCOUNT), client)
    sandbox.faults.update(down=False)
    assert recovered(services)["reservations"].updated == 1
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_several_pages_of_logs_are_read_back_to_the_last_position(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    first, *_ = changed = ids(account, "reservations", 30)
    account.update_reservation(first, guestName="the oldest entry")
    for _ in range(8):
        for reservation_id in changed[1:]:
            account.touch_reservation(reservation_id)
    recovered(services)
    assert read(sandbox) == 30
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_recovery_after_a_long_silence_costs_a_bounded_number_of_calls(
    open_sandbox: OpenSandbox, open_services: OpenServices
) -> None:
    """Of 300 objects only the newest are read, because the sweeps of the same reconcile have just read them all."""
    sandbox = open_sandbox(f"{ACCOUNT}:3:300")
    services = open_services(sandbox, public_url="http://127.0.0.1:9")
    add_account(services, ACCOUNT)
    account = sandbox.world.account(ACCOUNT)
    with services.client(ACCOUNT) as client:
        ensure_webhook(services, client)
    recovered(services)
    sandbox.faults.update(delivery_drop_share=1.0)
    for reservation_id in ids(account, "reservations", 300):
        account.touch_reservation(reservation_id)
    sandbox.counters.reset()
    assert recovered(services)["reservations"].inserted == 200
    assert read(sandbox) == 200


# As part of a reconcile


def test_a_reconcile_without_changes_costs_at_most_14_calls(
    open_sandbox: OpenSandbox, open_services: OpenServices, receiver: Receiver
) -> None:
    sandbox = open_sandbox(f"{ACCOUNT}:7:787")
    services = open_services(sandbox, public_url=f"http://{urlsplit(receiver.url).netloc}")
    add_account(services, ACCOUNT)
    synced(services, ACCOUNT)
    assert synced(services, ACCOUNT, mode="reconcile").api_calls <= 14 + 2, "the webhook is registered"
    report = synced(services, ACCOUNT, mode="reconcile", reread_share=1 / 30)
    assert report.api_calls <= 14
    assert sandbox.counters.calls()["POST /v1/webhooks/unifiedWebhooks"] == 1


@pytest.mark.parametrize("is_logged", [True, False])
def test_a_reconcile_repairs_undelivered_changes(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str, is_logged: bool
) -> None:
    """Including deletions, for which Hostaway sends no event, and changes that its log lacks."""
    sandbox.faults.update(delivery_drop_share=0.1, delivery_drop_logged=is_logged)
    chance = random.Random(7)
    for number in range(60):
        account.update_reservation(chance.choice(ids(account, "reservations", 40)), guestName=f"v{number}")
        account.add_message(chance.choice(ids(account, "conversations", 30)), f"words {number}")
    for reservation_id in ids(account, "reservations", 3):
        account.delete_reservation(reservation_id)
    account.delete_conversation(ids(account, "conversations", 1)[0])
    added = account.add_reservation(guestName="added")
    account.add_message(account.add_conversation(added["id"])["id"], "first words")
    assert sandbox.deliveries.wait_idle(60)

    report = synced(services, ACCOUNT, mode="reconcile")

    assert report.entities["reservations"].deleted == 3
    assert_equal_to_source(database_url, sandbox, ACCOUNT)
    assert orphans(database_url) == 0


def test_a_webhook_that_cannot_be_maintained_does_not_fail_the_reconcile(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    """Hostaway refuses the URL, but the copy is complete."""
    sandbox = open_sandbox(f"{ACCOUNT}:2:10", require_public_urls=True)
    services = open_services(sandbox, public_url="http://127.0.0.1:9")
    add_account(services, ACCOUNT)
    assert sync(services, ACCOUNT, mode="reconcile").status == "succeeded"
    assert_equal_to_source(database_url, sandbox, ACCOUNT)
    assert services.webhooks.state(ACCOUNT).webhook_id is None
