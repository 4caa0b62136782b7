"""Applying events: the newest by Hostaway's clock wins; complete payloads cost no call, others are read by id."""

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from tests.factories import OpenSandbox, assert_equal_to_source, content, rows, synced
from tests.integration.push.steps import ONE, TWO, Deliver, drain_inbox, first_reservation, reservation, statuses


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:3:20", "2:3:20")


def test_a_complete_payload_is_merged_without_a_call(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    reservation_id = first_reservation(account)
    deliver("reservation.updated", account.update_reservation(reservation_id, status="cancelled"))
    reports = drain_inbox(services)
    assert reservation(database_url, reservation_id)["status"] == "cancelled"
    assert statuses(database_url) == ["applied"]
    assert sandbox.counters.total == 0
    assert reports[0].counts["reservations"].updated == 1
    assert reports[0].request_ids == ["request-1"]


def test_a_new_reservation_of_a_known_listing_is_inserted_without_a_call(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    deliver("reservation.created", account.add_reservation(guestName="Ada"))
    drain_inbox(services)
    assert_equal_to_source(database_url, sandbox, ONE)
    assert sandbox.counters.total == 0


def test_changes_from_a_to_b_to_a_end_at_a_in_any_order(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    reservation_id = first_reservation(account)
    versions = [account.update_reservation(reservation_id, guestName=name) for name in ("A", "B", "A")]
    for version in (versions[1], versions[2], versions[0]):
        deliver("reservation.updated", version)
    drain_inbox(services)
    assert reservation(database_url, reservation_id)["guest_name"] == "A"
    assert sorted(statuses(database_url)) == ["applied", "stale", "stale"]


def test_a_conflict_within_one_second_is_resolved_by_a_read(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    reservation_id = first_reservation(account)
    truth = account.update_reservation(reservation_id, guestName="True")
    for name in ("False", "True", "False"):
        deliver("reservation.updated", truth | {"guestName": name})
    drain_inbox(services)
    assert reservation(database_url, reservation_id)["guest_name"] == "True"
    assert sandbox.counters.calls() == {"/v1/reservations/{id}": 1}
    assert set(statuses(database_url)) == {"applied"}


@pytest.mark.parametrize("missing", ["updatedOn", "totalPrice", "financeField"])
def test_a_payload_that_lacks_a_known_key_is_read_by_id(
    services: Services,
    sandbox: SandboxServer,
    account: Account,
    deliver: Deliver,
    database_url: str,
    missing: str,
) -> None:
    payload = account.update_reservation(first_reservation(account), guestName="Whole", totalPrice=5.5)
    del payload[missing]
    deliver("reservation.updated", payload)
    drain_inbox(services)
    assert_equal_to_source(database_url, sandbox, ONE)
    assert sandbox.counters.calls() == {"/v1/reservations/{id}": 1}


def test_a_late_event_does_not_restore_a_deleted_object(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    reservation_id = first_reservation(account)
    late = account.update_reservation(reservation_id, guestName="Late")
    account.delete_reservation(reservation_id)
    synced(services, ONE)
    deliver("reservation.updated", late)
    drain_inbox(services)
    assert reservation(database_url, reservation_id)["deleted_at"] is not None


def test_an_old_event_is_stale(services: Services, account: Account, deliver: Deliver, database_url: str) -> None:
    reservation_id = first_reservation(account)
    old = account.update_reservation(reservation_id, guestName="Old")
    account.update_reservation(reservation_id, guestName="New")
    synced(services, ONE)
    deliver("reservation.updated", old)
    drain_inbox(services)
    assert reservation(database_url, reservation_id)["guest_name"] == "New"
    assert statuses(database_url) == ["stale"]


def test_a_message_moves_its_conversations_marker_without_a_call(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    conversation_id = next(iter(account.conversations))
    message = account.add_message(conversation_id, "Hello")
    deliver("message.received", message, "conversationMessage")
    drain_inbox(services)
    query = "SELECT * FROM hostaway.conversations WHERE account_id = 1 AND id = %s"
    stored = rows(database_url, query, conversation_id)[0]
    assert content(stored["raw_payload"]) == content(account.conversations[conversation_id].payload())
    assert (
        rows(database_url, "SELECT body FROM hostaway.messages WHERE account_id = 1 AND id = %s", message["id"])[0][
            "body"
        ]
        == "Hello"
    )
    assert sandbox.counters.total == 0
    synced(services, ONE, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, ONE)


def test_the_unknown_conversation_of_a_message_is_read(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    conversation = account.add_conversation(first_reservation(account))
    message = account.add_message(conversation["id"], "First")
    deliver("message.received", message, "conversationMessage")
    drain_inbox(services)
    assert_equal_to_source(database_url, sandbox, ONE)
    assert sandbox.counters.calls() == {"/v1/conversations/{id}": 1}


def test_a_message_of_a_deleted_conversation_leaves_no_orphan(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    conversation = account.add_conversation(first_reservation(account))
    message = account.add_message(conversation["id"], "Too late")
    account.delete_conversation(conversation["id"])
    deliver("message.received", message, "conversationMessage")
    drain_inbox(services)
    assert rows(database_url, "SELECT 1 FROM hostaway.messages WHERE account_id = 1 AND id = %s", message["id"]) == []
    assert statuses(database_url) == ["applied"]


def test_a_scheduled_message_is_not_stored_yet(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    message = account.add_message(next(iter(account.conversations)), "Later", is_incoming=False, status="awaiting")
    deliver("message.created", message, "conversationMessage")
    assert drain_inbox(services)[0].counts == {}
    assert statuses(database_url) == ["ignored"]


def test_listing_events_are_merged_and_a_deletion_is_confirmed_by_a_read(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    first, second, _ = account.listings
    deliver("listing.updated", account.update_listing(first, name="Renamed"), "listing")
    gone = account.listings[second].payload()
    account.delete_listing(second)
    deliver("listing.deleted", gone, "listing")
    drain_inbox(services)
    assert_equal_to_source(database_url, sandbox, ONE)
    assert sandbox.counters.calls() == {"/v1/listings/{id}": 2}, "one word is no proof"


def test_an_outdated_deletion_of_an_existing_listing_deletes_nothing(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    deliver("listing.deleted", account.listings[next(iter(account.listings))].payload(), "listing")
    drain_inbox(services)
    assert_equal_to_source(database_url, sandbox, ONE)


def test_the_unknown_listing_of_a_reservation_is_read(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    listing_id = next(iter(account.listings))
    rows(database_url, "DELETE FROM hostaway.listings WHERE account_id = 1 AND id = %s RETURNING 1", listing_id)
    deliver("reservation.created", account.add_reservation(listingMapId=listing_id))
    drain_inbox(services)
    assert_equal_to_source(database_url, sandbox, ONE)


def test_a_reservation_whose_listing_hostaway_does_not_return_is_stored_anyway(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    new = account.add_reservation(listingMapId=123_456_789)
    deliver("reservation.created", new)
    drain_inbox(services)
    assert reservation(database_url, new["id"])["listing_id"] == 123_456_789
    assert statuses(database_url) == ["applied"]


def test_an_event_with_another_accounts_object_id_does_not_touch_that_accounts_row(
    services: Services, sandbox: SandboxServer, deliver: Deliver, database_url: str
) -> None:
    theirs = sandbox.world.account(TWO)
    reservation_id = first_reservation(theirs)
    before = reservation(database_url, reservation_id, TWO)
    payload = theirs.reservations[reservation_id].payload() | {
        "guestName": "Mallory",
        "updatedOn": "2030-01-01 00:00:00",
    }
    deliver("reservation.updated", payload, account_id=ONE)
    drain_inbox(services)
    assert reservation(database_url, reservation_id, TWO) == before


def test_several_events_of_one_object_cost_one_read(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    reservation_id = first_reservation(account)
    for price in range(5):
        payload = account.update_reservation(reservation_id, totalPrice=price)
        del payload["status"]
        deliver("reservation.updated", payload)
    drain_inbox(services)
    assert sandbox.counters.calls() == {"/v1/reservations/{id}": 1}
    assert_equal_to_source(database_url, sandbox, ONE)


def test_events_of_a_removed_account_are_ignored(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    deliver("reservation.updated", account.update_reservation(first_reservation(account), guestName="Gone"))
    services.accounts.remove(ONE, hard=False)
    drain_inbox(services)
    assert statuses(database_url) == ["ignored"]


def test_a_replayed_event_is_applied_again_and_changes_nothing(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    deliver("reservation.updated", account.update_reservation(first_reservation(account), guestName="Once"))
    drain_inbox(services)
    before = reservation(database_url, first_reservation(account))
    event_id = services.inbox.newest()[0]["id"]
    assert services.inbox.replay([event_id]) == 1
    drain_inbox(services)
    assert reservation(database_url, first_reservation(account)) == before
    assert statuses(database_url) == ["applied"]
