"""Messages to guests: sent once, stored at once, and never sent again blindly."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import rows, synced
from tests.receiver.steps import ACCOUNT, OTHER_ACCOUNT, OpenReceiver, Receiver
from tests.waiting import wait_until

SENDS = "POST /v1/conversations/{id}/messages"
TEXT = "Your key is at the reception."


@pytest.fixture
def reservation_id(sandbox: SandboxServer) -> int:
    """A reservation with a conversation, not stored unless a test syncs."""
    conversations = sandbox.world.account(ACCOUNT).truth("conversations")
    return next(int(one["reservationId"]) for one in conversations if one["reservationId"])


def send(receiver: Receiver, reservation_id: int, key: str | None = "key-1", **changes: Any) -> requests.Response:
    body = {"reservation_id": reservation_id, "message": TEXT, **changes}
    return receiver.api("POST", "/messages", body, **({} if key is None else {"Idempotency-Key": key}))


def sent_by(sandbox: SandboxServer, text: str = TEXT) -> int:
    """How often a guest would read this text."""
    return sum(1 for message in sandbox.world.account(ACCOUNT).truth("messages") if message["body"] == text)


def outbox(database_url: str) -> list[dict[str, Any]]:
    return rows(database_url, "SELECT * FROM hostaway.outbound_messages ORDER BY id")


@pytest.fixture(autouse=True)
def without_earlier_messages(sandbox: SandboxServer) -> None:
    """Remove what earlier tests have sent: the sandbox is shared."""
    for conversation in sandbox.world.account(ACCOUNT).conversations.values():
        conversation.messages[:] = [message for message in conversation.messages if message.body != TEXT]


def test_a_message_is_sent_and_stored_before_it_is_answered(
    receiver: Receiver, services: Services, sandbox: SandboxServer, reservation_id: int, database_url: str
) -> None:
    synced(services, ACCOUNT)
    answer = send(receiver, reservation_id, channel_type="sms")

    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["account_id"], shown["reservation_id"], shown["status"]) == (ACCOUNT, reservation_id, "sent")
    assert (shown["channel_type"], shown["attempts"]) == ("sms", 1)
    assert sent_by(sandbox) == 1
    query = "SELECT * FROM hostaway.messages WHERE body = %s"
    [message] = rows(database_url, query, TEXT)
    assert (message["id"], message["conversation_id"]) == (shown["message_id"], shown["conversation_id"])
    assert (message["is_incoming"], message["status"], message["reservation_id"]) == (False, "sent", reservation_id)
    [row] = outbox(database_url)
    assert (row["status"], row["idempotency_key"]) == ("sent", "key-1")


def test_a_repeated_key_sends_nothing_again(
    receiver: Receiver, sandbox: SandboxServer, reservation_id: int, database_url: str
) -> None:
    first, again = send(receiver, reservation_id), send(receiver, reservation_id)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert sandbox.counters.calls()[SENDS] == 1
    assert sent_by(sandbox) == 1


def test_another_key_is_another_message(receiver: Receiver, sandbox: SandboxServer, reservation_id: int) -> None:
    assert send(receiver, reservation_id, "key-1").ok
    assert send(receiver, reservation_id, "key-2").ok
    assert sent_by(sandbox) == 2


@pytest.mark.parametrize("change", [{"message": "Another text"}, {"channel_type": "whatsapp"}, {"reservation_id": 1}])
def test_a_key_belongs_to_one_message(
    receiver: Receiver, sandbox: SandboxServer, reservation_id: int, change: dict[str, Any]
) -> None:
    assert send(receiver, reservation_id).status_code == 201
    answer = send(receiver, **({"reservation_id": reservation_id} | change))
    assert (answer.status_code, answer.json()["status"]) == (422, "mismatch")
    assert sandbox.counters.calls()[SENDS] == 1


@pytest.mark.parametrize("key", [None, "", "two words", "k" * 201, "schlüssel"])
def test_without_a_valid_key_nothing_is_sent(
    receiver: Receiver, sandbox: SandboxServer, reservation_id: int, key: str | None
) -> None:
    answer = send(receiver, reservation_id, key and key.encode().decode("latin-1"))
    assert answer.status_code == 422
    assert "idempotency-key" in answer.json()["detail"].lower()
    assert sandbox.counters.total == 0


def test_an_unknown_reservation_is_404(receiver: Receiver, database_url: str) -> None:
    answer = send(receiver, 4711)
    assert (answer.status_code, answer.json()["status"]) == (404, "unknown")
    assert send(receiver, 4711, "key-2", account_id=4711).status_code == 404
    assert outbox(database_url) == []


def test_a_reservation_without_a_conversation_is_404(receiver: Receiver, sandbox: SandboxServer) -> None:
    lonely = sandbox.world.account(ACCOUNT).add_reservation()["id"]
    answer = send(receiver, lonely)
    assert (answer.status_code, answer.json()["status"]) == (404, "unknown")
    assert "no conversation" in answer.json()["detail"]
    sandbox.world.account(ACCOUNT).delete_reservation(lonely)


def test_a_message_can_be_sent_for_a_reservation_that_is_not_stored(
    receiver: Receiver, sandbox: SandboxServer, reservation_id: int, database_url: str
) -> None:
    assert rows(database_url, "SELECT 1 FROM hostaway.reservations") == []
    answer = send(receiver, reservation_id)
    assert (answer.status_code, answer.json()["account_id"]) == (201, ACCOUNT)
    assert sent_by(sandbox) == 1
    assert len(rows(database_url, "SELECT 1 FROM hostaway.messages WHERE body = %s", TEXT)) == 1


@pytest.mark.parametrize("fault", ["none", "cut", "hang", "500"])
def test_a_message_is_never_sent_twice_however_unclear_the_answer(
    open_receiver: OpenReceiver, sandbox: SandboxServer, reservation_id: int, database_url: str, fault: str
) -> None:
    """It was sent although the answer did not say so: it is looked for and found."""
    receiver = open_receiver(**({"read_timeout": 1.0} if fault == "hang" else {}))
    sandbox.faults.update(send_unclear=fault)
    first, again = send(receiver, reservation_id), send(receiver, reservation_id)
    assert [first.status_code, again.status_code] == [201, 201]
    assert first.json() == again.json()
    assert first.json()["message_id"] is not None
    assert sent_by(sandbox) == 1
    wait_until(lambda: sandbox.counters.in_flight == 0)
    assert sandbox.counters.calls()[SENDS] == 1
    assert outbox(database_url)[0]["status"] == "sent"


def test_a_message_that_hostaway_rejects_is_422_and_can_be_retried(
    receiver: Receiver, sandbox: SandboxServer, services: Services, reservation_id: int, database_url: str
) -> None:
    synced(services, ACCOUNT)
    query = "SELECT id FROM hostaway.conversations WHERE reservation_id = %s"
    [conversation] = rows(database_url, query, reservation_id)
    kept = sandbox.world.account(ACCOUNT).conversations.pop(conversation["id"])
    answer = send(receiver, reservation_id)
    assert (answer.status_code, answer.json()["status"]) == (422, "failed")
    assert "HTTP 404" in answer.json()["detail"]
    assert outbox(database_url)[0]["status"] == "failed"
    sandbox.world.account(ACCOUNT).conversations[conversation["id"]] = kept
    assert send(receiver, reservation_id).status_code == 201
    assert sent_by(sandbox) == 1


def test_concurrent_requests_with_one_key_send_once(
    receiver: Receiver, sandbox: SandboxServer, reservation_id: int, database_url: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(receiver, reservation_id), range(8)))
    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[0] == 201
    assert {answer.json()["status"] for answer in answers if answer.status_code == 409} <= {"busy"}
    assert sent_by(sandbox) == 1
    assert sandbox.counters.calls()[SENDS] == 1
    assert send(receiver, reservation_id).status_code == 201


def test_a_reservation_id_of_two_accounts_needs_an_account_id(
    receiver: Receiver, services: Services, reservation_id: int, database_url: str
) -> None:
    synced(services, ACCOUNT)
    rows(
        database_url,
        "WITH other AS (INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING account_id, customer_id) "
        "INSERT INTO hostaway.reservations (account_id, customer_id, id, raw_payload, content_hash) "
        "SELECT other.account_id, other.customer_id, id, raw_payload, content_hash "
        "FROM hostaway.reservations, other WHERE id = %s RETURNING 1",
        OTHER_ACCOUNT,
        reservation_id,
    )
    answer = send(receiver, reservation_id)
    assert (answer.status_code, answer.json()["status"]) == (409, "ambiguous")
    assert send(receiver, reservation_id, account_id=ACCOUNT).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"message": ""},
        {"message": " \n\t\u00a0"},
        {"message": "\u200b\u200d\ufeff"},
        {"message": "x" * 10_001},
        {"message": f"{TEXT}\x00"},
        {"message": f"{TEXT}\ud800"},
        {"message": [TEXT]},
        {"message": None},
        {"channel_type": TEXT},
        {"reservation_id": "x"},
        {"reservation_id": 2**63},
        {"text": TEXT},
    ],
    ids=lambda change: repr(change)[:50],
)
def test_an_invalid_message_is_not_sent_and_not_quoted(
    receiver: Receiver, sandbox: SandboxServer, change: dict[str, Any]
) -> None:
    body = json.dumps({"reservation_id": 1, "message": TEXT, **change}).encode()
    answer = receiver.api("POST", "/messages", body, **{"Idempotency-Key": "key-1"})
    assert answer.status_code == 422
    assert TEXT not in answer.text
    assert sandbox.counters.total == 0


def test_texts_arrive_unchanged(receiver: Receiver, sandbox: SandboxServer, reservation_id: int) -> None:
    text = "Grüße, 日本 👋\n\"quoted\" \\ 'and' <b>more</b>"
    before = sent_by(sandbox, text)
    assert send(receiver, reservation_id, message=text).status_code == 201
    assert sent_by(sandbox, text) == before + 1


def test_an_unclear_answer_is_502_until_the_message_is_found(
    open_receiver: OpenReceiver, sandbox: SandboxServer, reservation_id: int, database_url: str
) -> None:
    """Hostaway accepts it long after the request has timed out."""
    receiver = open_receiver(read_timeout=1.0)
    sandbox.faults.update(send_delay=60.0)
    for _ in range(2):
        answer = send(receiver, reservation_id)
        assert (answer.status_code, answer.json()["status"]) == (502, "unclear")
        assert "may still go out" in answer.json()["detail"]
        assert "do not use a new one" in answer.json()["detail"]
    early = send(receiver, reservation_id, resend=True)
    assert (early.status_code, early.json()["status"]) == (409, "too_early")
    assert 0 < int(early.headers["Retry-After"]) <= 600
    sandbox.faults.update(send_delay=0.0)
    wait_until(lambda: sent_by(sandbox) == 1)
    assert send(receiver, reservation_id).status_code == 201
    assert sandbox.counters.calls()[SENDS] == 1
    assert outbox(database_url)[0]["status"] == "sent"


def test_resend_sends_again_once_the_patience_is_over(
    open_receiver: OpenReceiver, sandbox: SandboxServer, reservation_id: int
) -> None:
    receiver = open_receiver(send_patience=0.1)
    sandbox.faults.update(send_unclear="lost")
    assert send(receiver, reservation_id).status_code == 502
    sandbox.faults.clear()
    assert send(receiver, reservation_id).status_code == 502
    assert send(receiver, reservation_id, resend=True).status_code == 201
    assert sent_by(sandbox) == 1


def test_the_documentation_makes_no_false_promise(receiver: Receiver) -> None:
    page = receiver.http.get(f"{receiver.url}/openapi.json").json()["paths"]["/messages"]["post"]
    assert "never" not in page["description"]
    assert "reads the message twice" in page["description"]
    assert "only looks" in page["responses"]["502"]["description"]
