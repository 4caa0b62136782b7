"""Hostaway's clock runs ahead, is set back or is missing: no row freezes, and no later knowledge is lost."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import (
    OpenSandbox,
    OpenServices,
    assert_equal_to_source,
    content,
    expected,
    rows,
    stored,
    synced,
)

ONE = 1
TRUST = 0.5
Deliver = Callable[..., None]


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:3:12")


@pytest.fixture
def options() -> dict[str, Any]:
    return {"clock_trust": TRUST}


@pytest.fixture
def deliver(services: Services) -> Deliver:
    """Put an event into the inbox and apply it."""

    def deliver_event(payload: dict[str, Any], event: str = "reservation.updated") -> None:
        kind = "conversationMessage" if event.startswith("message.") else event.partition(".")[0]
        body = {"object": kind, "event": event, "accountId": ONE, "data": payload}
        services.inbox.accept([(parse_delivery(body), "request-1")])
        drain(services, lambda _: None, linger=0)

    return deliver_event


@pytest.fixture
def trusting(services: Services, sandbox: SandboxServer, open_services: OpenServices) -> Services:
    """Services whose span does not pass, however slow this machine is."""
    return open_services(sandbox, clock_trust=300.0)


def the_span_passes() -> None:
    time.sleep(TRUST + 0.1)


def ago(**duration: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**duration):%Y-%m-%d %H:%M:%S}"


def first_reservation(account: Account) -> int:
    return next(iter(account.reservations))


def row_of(url: str, reservation_id: int) -> dict[str, Any]:
    return rows(url, "SELECT * FROM hostaway.reservations WHERE account_id = 1 AND id = %s", reservation_id)[0]


def statuses(url: str) -> list[str]:
    return [row["status"] for row in rows(url, "SELECT status FROM hostaway.webhook_events ORDER BY id")]


def in_doubt(services: Services, entity: str = "reservations") -> list[str]:
    return [finding.what for finding in services.checks.unsettled_rows(entity)]


# A clock that runs ahead

AHEAD = [
    "2099-01-01 00:00:00",
    pytest.param(ago(hours=-1), id="an hour ahead"),
    pytest.param(ago(seconds=-20), id="20 s"),
]


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("way", ["list", "webhook"])
@pytest.mark.parametrize("mode", ["reconcile", "full"])
def test_a_correct_version_replaces_one_from_the_future(
    services: Services, account: Account, deliver: Deliver, database_url: str, ahead: str, way: str, mode: str
) -> None:
    reservation_id = first_reservation(account)
    wrong = account.update_reservation(reservation_id, guestName="Ahead", updatedOn=ahead)
    if way == "webhook":
        deliver(wrong)
    else:
        the_span_passes()
        synced(services, ONE, mode="reconcile")
    assert row_of(database_url, reservation_id)["guest_name"] == "Ahead"
    truth = account.update_reservation(reservation_id, guestName="Truth", updatedOn=ago(seconds=0))
    if way == "webhook":
        deliver(truth)
    the_span_passes()
    synced(services, ONE, mode=mode)
    assert row_of(database_url, reservation_id)["guest_name"] == "Truth"
    assert_equal_to_source(database_url, account_sandbox(services), ONE)
    assert in_doubt(services) == []


def account_sandbox(services: Services) -> SandboxServer:
    from tests.factories import SANDBOXES

    return SANDBOXES[services.settings.api_url]


def test_a_check_names_a_row_whose_time_is_in_the_future(services: Services, account: Account) -> None:
    reservation_id = first_reservation(account)
    account.update_reservation(reservation_id, guestName="Ahead", updatedOn="2099-01-01 00:00:00")
    the_span_passes()
    synced(services, ONE, mode="reconcile")
    named = f"1 rows in doubt (ids {reservation_id}): Hostaway's time lies ahead of ours"
    assert in_doubt(services) == [named]
    the_span_passes()
    report = synced(services, ONE, mode="reconcile")
    assert report.entities["reservations"].changed == 0
    assert in_doubt(services) == [named], "reading the same again proves nothing about its clock"


def test_a_refresh_is_not_misled_by_a_time_from_the_future(
    services: Services, account: Account, database_url: str
) -> None:
    first, second = list(account.reservations)[:2]
    account.update_reservation(first, guestName="Ahead", updatedOn="2099-01-01 00:00:00")
    synced(services, ONE, mode="refresh")
    account.update_reservation(second, guestName="Later", updatedOn=ago(seconds=0))
    synced(services, ONE, mode="refresh")
    assert row_of(database_url, second)["guest_name"] == "Later"
    assert rows(database_url, "SELECT known_until < now() + interval '1 minute' AS is_past FROM hostaway.sweeps "
                "WHERE entity = 'reservations'") == [{"is_past": True}]  # fmt: skip


# A clock that goes back


def change_everything(account: Account) -> None:
    """Change an object of each entity, and delete the newest message of a conversation."""
    listing_id = next(iter(account.listings))
    account.update_listing(listing_id, name="Corrected")
    account.update_reservation(first_reservation(account), guestName="Corrected")
    thread = next(one for one in account.conversations.values() if len(one.visible()) > 2)
    edited = min(thread.visible(), key=lambda message: message.date)
    account.edit_message(thread.id, edited.id, "Corrected")
    account.delete_message(thread.id, thread.latest().id, markers_fall=True)


def test_a_clock_that_was_set_back_is_followed(
    services: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    sandbox.faults.clock_skew = -48 * 3600.0
    change_everything(account)
    the_span_passes()
    synced(services, ONE, mode="full")
    assert_equal_to_source(database_url, sandbox, ONE)


def test_within_the_trust_span_hostaways_clock_decides_and_the_doubt_is_stored(
    services: Services, trusting: Services, account: Account, database_url: str
) -> None:
    reservation_id = first_reservation(account)
    account.update_reservation(reservation_id, guestName="Newer", updatedOn=ago(seconds=5))
    the_span_passes()
    synced(services, ONE, mode="reconcile")
    account.update_reservation(reservation_id, guestName="Corrected", updatedOn=ago(hours=1))
    synced(trusting, ONE, mode="reconcile")
    row = row_of(database_url, reservation_id)
    assert (row["guest_name"], row["unsettled_at"] is None) == ("Newer", False)
    the_span_passes()
    synced(services, ONE, mode="reconcile")
    row = row_of(database_url, reservation_id)
    assert (row["guest_name"], row["unsettled_at"]) == ("Corrected", None)


def test_a_check_names_what_stays_in_doubt_for_a_day(services: Services, account: Account, database_url: str) -> None:
    reservation_id = first_reservation(account)
    doubt = "UPDATE hostaway.reservations SET unsettled_at = now() - %s * interval '1 hour' WHERE id = %s RETURNING 1"
    rows(database_url, doubt, 23, reservation_id)
    assert in_doubt(services) == []
    rows(database_url, doubt, 25, reservation_id)
    assert in_doubt(services) == [
        f"1 rows in doubt (ids {reservation_id}): clocks disagree, and no read has settled it for a day"
    ]
    synced(services, ONE, mode="reconcile")
    assert in_doubt(services) == []


# Events that are older


def test_a_late_older_event_is_stale_and_costs_one_read(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    reservation_id = first_reservation(account)
    deliver(account.update_reservation(reservation_id, guestName="Newer", updatedOn=ago(seconds=5)))
    corrected = account.update_reservation(reservation_id, guestName="Corrected", updatedOn=ago(hours=1))
    the_span_passes()
    sandbox.counters.reset()
    deliver(corrected)
    assert row_of(database_url, reservation_id)["guest_name"] == "Corrected"
    assert sandbox.counters.calls() == {"/v1/reservations/{id}": 1}
    assert statuses(database_url) == ["applied", "stale"]


def test_an_older_event_that_comes_soon_is_stale_without_a_call_and_leaves_a_doubt(
    services: Services, trusting: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    reservation_id = first_reservation(account)
    older = account.update_reservation(reservation_id, guestName="Older", updatedOn=ago(seconds=9))
    newer = account.update_reservation(reservation_id, guestName="Newer", updatedOn=ago(seconds=5))
    sandbox.counters.reset()
    for payload in (newer, older):
        body = {"object": "reservation", "event": "reservation.updated", "accountId": ONE, "data": payload}
        services.inbox.accept([(parse_delivery(body), "request-1")])
    drain(trusting, lambda _: None, linger=0)
    row = row_of(database_url, reservation_id)
    assert (row["guest_name"], row["unsettled_at"] is None) == ("Newer", False)
    assert sandbox.counters.total == 0
    the_span_passes()
    synced(services, ONE, mode="reconcile")
    assert row_of(database_url, reservation_id)["unsettled_at"] is None


def test_an_event_without_a_time_is_read_by_id(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    """`insertedOn` is not the time of the change: as such, it would make every such event stale."""
    reservation_id = first_reservation(account)
    payload = account.update_reservation(reservation_id, guestName="Changed", updatedOn=ago(seconds=0))
    sandbox.counters.reset()
    deliver({key: value for key, value in payload.items() if key != "updatedOn"})
    assert row_of(database_url, reservation_id)["guest_name"] == "Changed"
    assert sandbox.counters.calls() == {"/v1/reservations/{id}": 1}
    assert statuses(database_url) == ["applied"]


# Messages: no list confirms what a webhook brought


def test_a_late_event_of_a_deleted_message_is_undone_by_the_next_refresh(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    thread = next(one for one in account.conversations.values() if len(one.visible()) > 2)
    message = account.add_message(thread.id, "Soon gone")
    account.delete_message(thread.id, message["id"], markers_fall=True)
    deliver(message, "message.received")
    assert message["id"] in stored(database_url, ONE, "messages")
    the_span_passes()
    synced(services, ONE, mode="refresh")
    assert_equal_to_source(database_url, sandbox, ONE)


def test_an_old_version_of_a_message_is_replaced_by_the_next_reconcile(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    thread = next(one for one in account.conversations.values() if len(one.visible()) > 2)
    message_id = min(thread.visible(), key=lambda message: message.date).id
    payload = account.message(thread.id, message_id).payload()
    deliver({**payload, "body": "Wrong", "updatedOn": ago(seconds=1)}, "message.received")
    the_span_passes()
    synced(services, ONE, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, ONE)
    assert rows(database_url, "SELECT 1 FROM hostaway.messages WHERE unsettled_at IS NOT NULL") == []


# Keys that lists lack


def test_a_key_that_lists_lack_keeps_its_value_from_a_webhook(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    sandbox.faults.lists_lack = {"financeField"}
    reservation_id, other_id = list(account.reservations)[:2]
    fields = [{"id": 1, "name": "baseRate", "total": 90.5}]
    deliver(account.update_reservation(reservation_id, financeField=fields, updatedOn=ago(seconds=1)))
    the_span_passes()
    before = rows(database_url, "SELECT xmin::text, * FROM hostaway.reservations ORDER BY id")
    assert synced(services, ONE, mode="reconcile").entities["reservations"].changed == 0
    assert rows(database_url, "SELECT xmin::text, * FROM hostaway.reservations ORDER BY id") == before
    account.update_reservation(reservation_id, guestName="Changed", updatedOn=ago(seconds=0))
    account.update_reservation(other_id, guestName="Changed, too", updatedOn=ago(seconds=0))
    the_span_passes()
    synced(services, ONE, mode="reconcile")
    row = row_of(database_url, reservation_id)
    assert (row["guest_name"], row["raw_payload"]["financeField"]) == ("Changed", fields)
    sandbox.faults.lists_lack = set()
    the_span_passes()
    synced(services, ONE, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, ONE)


def test_a_key_that_a_list_lacks_is_not_a_change(
    services: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    """Even a key with a column of its own that is not known to be missing in lists."""
    sandbox.faults.lists_lack = {"totalPrice", "channelName"}
    the_span_passes()
    before = stored(database_url, ONE, "reservations")
    assert synced(services, ONE, mode="reconcile").entities["reservations"].changed == 0
    assert stored(database_url, ONE, "reservations") == before
    reservation_id = first_reservation(account)
    account.update_reservation(reservation_id, guestName="Changed", updatedOn=ago(seconds=0))
    the_span_passes()
    synced(services, ONE, mode="reconcile")
    row, truth = row_of(database_url, reservation_id), account.reservations[reservation_id].payload()
    assert (row["guest_name"], float(row["total_price"])) == ("Changed", truth["totalPrice"])
    assert content(row["raw_payload"]) == expected(sandbox, ONE, "reservations")[reservation_id][0]


# Nothing changed


def test_an_unchanged_reconcile_writes_no_row(services: Services, database_url: str) -> None:
    the_span_passes()
    query = "SELECT xmin::text, * FROM hostaway.reservations ORDER BY id"
    before = rows(database_url, query)
    synced(services, ONE, mode="reconcile")
    assert rows(database_url, query) == before
    proven = rows(
        database_url, "SELECT proven_at IS NOT NULL AS is_proven FROM hostaway.sweeps WHERE entity <> 'messages'"
    )
    assert [row["is_proven"] for row in proven] == [True] * 3
