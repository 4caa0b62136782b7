"""The log at DEBUG: it shows what happened to each request, and nothing private or secret."""

import json
from collections.abc import Iterator

import psycopg
import pytest
import requests

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.webhooks import Credential
from tests.factories import reservation
from tests.receiver.steps import ACCOUNT, KEY, OTHER_ACCOUNT, OpenProcess, Receiver, basic, delivery

PRIVATE = {
    "guest": "Annemarie Testgast",
    "email": "annemarie@example.org",
    "phone": "+49 170 5550199",
    "card": "4111111111111111",
    "door": "door-4711",
    "text": "Meet me at the old bridge",
    "secret": "client-secret-sesame",
    "key": "wrong-key-sesame-0815",
    "login": "wrong-login-sesame",
    "password": "wrong-password-sesame",
    "header": "Idempotency-sesame-1",
    "signature": "sesame-signature",
}
EVERYTHING = " ".join(PRIVATE.values())


@pytest.fixture
def unexpected_constraint(database_url: str, services: Services) -> Iterator[None]:
    """A rule of the database that the program does not know: the driver's error quotes the row that breaks it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        table = "ALTER TABLE hostaway.outbound_messages"
        connection.execute(f"{table} ADD CONSTRAINT unexpected_constraint CHECK (body <> '{PRIVATE['text']}')".encode())
        yield
        connection.execute(f"{table} DROP CONSTRAINT unexpected_constraint".encode())


@pytest.mark.usefixtures("unexpected_constraint")
def test_the_log_holds_nothing_private(
    open_process: OpenProcess, credential: Credential, sandbox: SandboxServer
) -> None:
    process = open_process(HOSTAWAY_LOG_LEVEL="DEBUG")
    answers = requests_of_all_kinds(process.receiver(credential), sandbox)
    process.stop()

    assert {answer.status_code for answer in answers} == {200, 201, 400, 401, 404, 413, 415, 422, 500, 502}
    output = process.text
    secrets = [credential.login, credential.password, KEY, f"sandbox-secret-{OTHER_ACCOUNT}", *PRIVATE.values()]
    assert [value for value in secrets if value in output] == []
    assert "Traceback" not in output
    assert all({"event", "level", "timestamp"} <= json.loads(line).keys() for line in output.splitlines())
    assert "trace-of-a-refused-one" in output, "requests can be followed"
    assert '"kind": "IntegrityError"' in output
    assert "outbox.py:" in output, "unexpected errors can be located"

    shown = [value for value in secrets if any(value in answer.text for answer in answers)]
    assert set(shown) <= {PRIVATE["guest"]}, "the name of an account is its owner's, and shown"


def requests_of_all_kinds(receiver: Receiver, sandbox: SandboxServer) -> list[requests.Response]:
    """Valid and invalid ones, with private values in every place where a client can put them."""
    sandbox.faults.clear()
    whole = reservation(
        7,
        guestName=PRIVATE["guest"],
        guestEmail=PRIVATE["email"],
        phone=PRIVATE["phone"],
        ccNumber=PRIVATE["card"],
        doorCode=PRIVATE["door"],
    )
    message = {"reservation_id": 4711, "message": PRIVATE["text"]}
    theirs = {None, *sandbox.world.account(OTHER_ACCOUNT).reservations}  # the sandbox's accounts share ids
    threads = sandbox.world.account(ACCOUNT).truth("conversations")
    known = next(one for one in threads if one["reservationId"] not in theirs)
    new = {"account_id": OTHER_ACCOUNT, "client_secret": PRIVATE["secret"], "name": PRIVATE["guest"]}
    key = {"Idempotency-Key": PRIVATE["header"]}
    account = f"/accounts/{ACCOUNT}"
    answers = [
        receiver.deliver(delivery(whole)),
        receiver.deliver(delivery({"id": 1, "body": PRIVATE["text"]}, "message.received")),
        receiver.deliver(EVERYTHING.encode(), **{"X-Request-ID": "trace-of-a-refused-one"}),
        receiver.deliver(json.dumps({"event": EVERYTHING, "object": EVERYTHING, "accountId": EVERYTHING}).encode()),
        receiver.deliver(delivery(whole, accountId=4711)),
        receiver.deliver(EVERYTHING.encode() * 10_000),
        receiver.deliver(delivery(whole), **{"Content-Encoding": "gzip", "X-Request-ID": EVERYTHING}),
        receiver.post(json.dumps(delivery(whole)).encode(), basic(PRIVATE["login"], PRIVATE["password"])),
        receiver.post(b"{}", {"Authorization": EVERYTHING, "X-Signature": PRIVATE["signature"], "Cookie": EVERYTHING}),
        receiver.api("GET", "/accounts", key=PRIVATE["key"]),
        receiver.api("GET", f"/accounts?q={EVERYTHING}"),
        receiver.api("GET", f"/{EVERYTHING}"),
        receiver.api("POST", "/accounts", new),
        receiver.api("POST", "/accounts", new | {PRIVATE["secret"]: 1}),
        receiver.api("POST", "/accounts", json.dumps(new).encode()[:-3]),
        receiver.api("POST", "/accounts", new | {"client_secret": f"sandbox-secret-{OTHER_ACCOUNT}"}),
        receiver.api("PATCH", account, {"client_secret": PRIVATE["secret"]}),
        receiver.api("POST", "/messages", message, **key),
        receiver.api("POST", "/messages", message | {"channel_type": PRIVATE["text"]}, **key),
        receiver.api("POST", "/messages", message | {"reservation_id": known["reservationId"]}, **key),
        receiver.api("POST", "/messages", {"reservation_id": known["reservationId"], "message": EVERYTHING}, **key),
        receiver.api("POST", "/messages", {"message": PRIVATE["text"]}, **{"Idempotency-Key": EVERYTHING}),
    ]
    sandbox.faults.update(down=True)
    answers.append(receiver.api("PUT", account, {"client_secret": PRIVATE["secret"], "name": PRIVATE["guest"]}))
    sandbox.faults.clear()
    return answers
