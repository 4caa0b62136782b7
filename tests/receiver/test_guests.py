"""Guests over HTTP: found and erased by a body, never by a URL; answers and logs name nobody."""

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import rows
from tests.receiver.steps import ACCOUNT, OTHER_ACCOUNT, Receiver, delivery, events

EMAIL, NAME = "zoraida@mail.example", "Zoraida Quimby"


@pytest.fixture
def guest(services: Services, database_url: str) -> None:
    """One reservation of the guest, number 7."""
    rows(database_url, "INSERT INTO hostaway.reservations (account_id, id, customer_id, guest_name, guest_email, "
         "raw_payload, content_hash) VALUES (%s, 7, gen_random_uuid(), %s, %s, "
         "jsonb_build_object('id', 7, 'guestName', %s::text, 'guestEmail', %s::text), '') RETURNING 1",
         ACCOUNT, NAME, EMAIL, NAME, EMAIL)  # fmt: skip


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("named", [{"reservation_id": 7}, {"email": f" {EMAIL.upper()}"}])
def test_a_guest_is_found_and_erased(
    receiver: Receiver, database_url: str, named: dict[str, object], capfd: pytest.CaptureFixture[str]
) -> None:
    found = receiver.api("POST", "/guests/find", named)
    assert [(one["account_id"], one["reservation_ids"]) for one in found.json()] == [(ACCOUNT, [7])]
    erased = receiver.api("POST", "/guests/erase", named)
    assert (erased.status_code, erased.json()[0]["rows"]["reservations"]) == (200, 1)
    stored = rows(database_url, "SELECT guest_name, guest_email, raw_payload FROM hostaway.reservations")
    assert stored == [{"guest_name": None, "guest_email": None, "raw_payload": {"id": 7, "guestName": None,
                                                                                "guestEmail": None}}]  # fmt: skip
    shown = found.text + erased.text + "".join(capfd.readouterr())
    assert not [text for text in (EMAIL, NAME, "zoraida") if text in shown.lower() or text in shown]


@pytest.mark.usefixtures("guest")
def test_a_delivery_after_the_erasure_names_nobody(receiver: Receiver, database_url: str) -> None:
    assert receiver.api("POST", "/guests/erase", {"email": EMAIL}).status_code == 200
    data = {"id": 8, "guestName": NAME, "guestEmail": EMAIL, "status": "new"}
    assert receiver.deliver(delivery(data)).status_code == 200
    assert events(database_url)[-1]["payload"] == {"id": 8, "guestName": None, "guestEmail": None, "status": "new"}


@pytest.mark.parametrize(
    "body", [{}, {"reservation_id": 7, "email": EMAIL}, {"email": "zoraida"}, {"reservation_id": 0}, {"name": NAME}]
)
def test_who_is_not_named_clearly_is_refused_without_an_echo(receiver: Receiver, body: dict[str, object]) -> None:
    for route in ("find", "erase"):
        answer = receiver.api("POST", f"/guests/{route}", body)
        assert answer.status_code == 422
        assert "oraida" not in answer.text


@pytest.mark.usefixtures("guest")
def test_a_reservation_of_two_accounts_needs_the_account(receiver: Receiver, database_url: str) -> None:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING 1", OTHER_ACCOUNT)
    rows(database_url, "INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash) "
         "VALUES (%s, 7, gen_random_uuid(), '{\"id\": 7}', '') RETURNING 1", OTHER_ACCOUNT)  # fmt: skip
    assert receiver.api("POST", "/guests/erase", {"reservation_id": 7}).status_code == 409
    named = {"reservation_id": 7, "account_id": ACCOUNT}
    assert [one["account_id"] for one in receiver.api("POST", "/guests/find", named).json()] == [ACCOUNT]


@pytest.mark.usefixtures("guest")
def test_nothing_is_written_to_an_erased_guest(receiver: Receiver, services: Services, sandbox: SandboxServer) -> None:
    """The text could not be stored, and without it no repetition is recognised."""
    reservation_id = next(c.reservation_id for c in sandbox.world.account(ACCOUNT).conversations.values())
    named = {"reservation_id": reservation_id, "account_id": ACCOUNT}
    assert receiver.api("POST", "/guests/erase", named).status_code == 200
    message = {**named, "message": f"Dear {NAME}"}
    answer = receiver.api("POST", "/messages", message, **{"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["status"]) == (422, "erased")
    assert services.outbox.find("k") is None
    assert receiver.api("POST", "/guests/find", {"reservation_id": 9, "account_id": 1}).status_code == 404
