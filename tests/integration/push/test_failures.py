"""Failures while events are applied: each stays with its own event, object or account, and the others go on."""

import psycopg
import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from tests.factories import OpenSandbox, add_account, assert_equal_to_source, rows
from tests.integration.push.steps import ONE, TWO, Deliver, drain_inbox, first_reservation, reservation, statuses


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:3:20", "2:3:20")


def test_an_event_whose_object_hostaway_refuses_fails_and_the_others_are_applied(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    locked, free = list(account.reservations)[:2]
    account.locked_reservations.add(locked)
    for reservation_id in (locked, free):
        payload = account.update_reservation(reservation_id, guestName="Changed")
        del payload["status"]
        deliver("reservation.updated", payload)
    drain_inbox(services)
    events = rows(database_url, "SELECT status, error FROM hostaway.webhook_events ORDER BY id")
    assert [event["status"] for event in events] == ["failed", "applied"]
    assert "HTTP 403" in events[0]["error"]
    assert reservation(database_url, free)["guest_name"] == "Changed"


def test_a_dead_api_delays_only_events_that_need_a_read(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    sandbox.faults.update(dead_accounts={ONE})
    whole, broken = list(account.reservations)[:2]
    payload = account.update_reservation(broken, guestName="Waits")
    del payload["status"]
    deliver("reservation.updated", payload)
    deliver("reservation.updated", account.update_reservation(whole, guestName="Goes on"))
    theirs = sandbox.world.account(TWO)
    other = theirs.update_reservation(first_reservation(theirs), guestName="Other")
    del other["status"]
    deliver("reservation.updated", other, account_id=TWO)
    reports = drain_inbox(services)

    assert reservation(database_url, whole)["guest_name"] == "Goes on"
    assert_equal_to_source(database_url, sandbox, TWO)
    waiting = rows(database_url, "SELECT * FROM hostaway.webhook_events WHERE status = 'pending'")
    assert len(waiting) == 1
    assert "HTTP 503" in waiting[0]["error"]
    assert waiting[0]["attempts"] == 0, "the API's failure is no attempt of the event"
    assert any(applied.error for applied in reports)

    sandbox.faults.clear()
    rows(database_url, "UPDATE hostaway.webhook_events SET retry_at = NULL RETURNING 1")
    drain_inbox(services)
    assert_equal_to_source(database_url, sandbox, ONE)


def test_a_wrong_secret_opens_the_circuit_breaker_and_the_events_wait(
    services: Services, sandbox: SandboxServer, account: Account, deliver: Deliver, database_url: str
) -> None:
    services.accounts.remove(ONE, hard=False)
    add_account(services, ONE, secret="wrong")
    payload = account.update_reservation(first_reservation(account), guestName="Waits")
    del payload["status"]
    deliver("reservation.updated", payload)
    drain_inbox(services)
    state = services.accounts.get(ONE)
    assert state.paused_until is not None, "the accounts sensor gives it a run of its own, which shows red"
    assert statuses(database_url) == ["pending"]


def test_an_event_that_raises_an_error_is_retried_alone_and_fails_in_the_end(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    """The receiver accepts no such event, so it is put into the table by hand."""
    fine, poison = list(account.reservations)[:2]
    deliver("reservation.updated", account.update_reservation(poison, guestName="Poison"))
    rows(database_url, "UPDATE hostaway.webhook_events SET payload = '[1]' RETURNING 1")
    deliver("reservation.updated", account.update_reservation(fine, guestName="Fine"))
    for attempt in range(1, 6):
        drain_inbox(services)
        event = rows(database_url, "SELECT * FROM hostaway.webhook_events ORDER BY id LIMIT 1")[0]
        assert event["attempts"] == attempt
        rows(database_url, "UPDATE hostaway.webhook_events SET retry_at = NULL RETURNING 1")
    assert reservation(database_url, fine)["guest_name"] == "Fine"
    assert event["status"] == "failed"
    assert "AttributeError" in event["error"] or "TypeError" in event["error"]


def test_an_object_that_cannot_be_stored_stops_no_other(
    services: Services, account: Account, deliver: Deliver, database_url: str
) -> None:
    """A trigger stands for any row that the database rejects."""
    poison, fine = list(account.reservations)[:2]
    body = f"BEGIN IF new.id = {poison} THEN RAISE 'broken' USING ERRCODE = 'data_exception'; END IF; RETURN new; END"
    function = f"CREATE FUNCTION hostaway.poison() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    trigger = (
        "CREATE TRIGGER poison BEFORE UPDATE ON hostaway.reservations FOR EACH ROW EXECUTE FUNCTION hostaway.poison()"
    )
    with psycopg.connect(database_url) as connection:
        connection.execute(function.encode())
        connection.execute(trigger.encode())
    for reservation_id in (poison, fine):
        payload = account.update_reservation(reservation_id, guestName="Changed")
        del payload["status"]
        deliver("reservation.updated", payload)
    drain_inbox(services)
    assert reservation(database_url, fine)["guest_name"] == "Changed"
    waiting = rows(database_url, "SELECT * FROM hostaway.webhook_events WHERE status = 'pending'")
    assert [(event["object_id"], event["attempts"]) for event in waiting] == [(poison, 1)]
    assert waiting[0]["error"].startswith("DataException")
