"""A secret that comes by webhook, list or id is stored in no table and written to no log."""

import json
from typing import Any

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.store.schema import metadata
from hostaway_pipeline.sync.push.drain import drain
from tests.factories import rows, synced
from tests.planted import PLANTED, plant, private_message, private_reservation
from tests.receiver.steps import ACCOUNT, OpenProcess, Receiver, delivery


@pytest.fixture
def receiver(open_process: OpenProcess, credential: Credential) -> Receiver:
    process = open_process(HOSTAWAY_LOG_LEVEL="DEBUG")
    return Receiver(process.url, credential, process)


def test_no_secret_reaches_a_table_or_a_log(
    receiver: Receiver,
    services: Services,
    sandbox: SandboxServer,
    database_url: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    account = sandbox.world.account(ACCOUNT)
    synced(services, ACCOUNT)
    reservation_id, conversation_id = plant(account)
    for body in deliveries(account, reservation_id, conversation_id):
        assert receiver.deliver(body).status_code == 200, body["event"]
    assert receiver.deliver(json.dumps({"event": private_message()}).encode()).status_code == 400

    drain(services, lambda _: None, linger=0)
    assert_clean(database_url, "by webhook and by id")
    statuses = {row["status"] for row in rows(database_url, "SELECT status FROM hostaway.webhook_events")}
    assert statuses <= {"applied", "stale", "ignored"}
    synced(services, ACCOUNT)
    assert_clean(database_url, "by list")

    kept = rows(database_url, "SELECT * FROM hostaway.reservations WHERE id = %s", reservation_id)[0]
    assert kept["guest_name"] == "Anna [redacted]"
    assert kept["raw_payload"]["hostNote"] == "paid with [redacted], see https://x.example.com/[redacted]"
    bodies = [row["body"] for row in rows(database_url, "SELECT body FROM hostaway.messages")]
    assert "Hi 🏡, my card is [redacted], cvc [redacted]. See you!" in bodies

    receiver.components.stop()
    output = receiver.components.text + "".join(capfd.readouterr())
    assert leaked_in(output) == set()


def deliveries(account: Any, reservation_id: int, conversation_id: int) -> list[dict[str, Any]]:
    """Complete ones, one that must be read by id, one whose parent is unknown, and some of ignored kinds."""
    reservation = next(one for one in account.truth("reservations") if one["id"] == reservation_id)
    message = next(one for one in account.truth("messages") if one["body"] == private_message())
    listing = next(iter(account.truth("listings")))
    incomplete = {key: reservation[key] for key in ("id", "guestPortalUrl", "guestAuthHash", "hostNote", "updatedOn")}
    new = reservation | {"id": 9_000_001}
    return [
        delivery(reservation),
        delivery(incomplete),
        delivery(message, "message.received", object="conversationMessage"),
        delivery(listing, "listing.updated", object="listing"),
        delivery(new, "reservation.created"),
        delivery({"id": 5, "Reservation": private_reservation(), "notes": [private_message()]}, "task.created"),
        delivery({private_message(): 1, "deep": [[{"x": {"y": private_reservation()}}]]}, "anything.else"),
    ]


def assert_clean(url: str, when: str) -> None:
    whole = "\n".join(row["row"] for table in metadata.sorted_tables for row in text_of(url, table.fullname))
    assert leaked_in(whole) == set(), when


def text_of(url: str, table: str) -> list[dict[str, Any]]:
    return rows(url, f"SELECT t::text AS row FROM {table} AS t")


def leaked_in(text: str) -> set[str]:
    return {name for name, value in PLANTED.items() if value in text or value.replace(" ", "") in text}
