"""What answers disclose: that the database is unavailable, and nothing else of the inside."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.store.urls import libpq_environment
from tests.factories import reservation, rows
from tests.receiver.steps import ACCOUNT, HOOK, OPERATIONS, PING, OpenProcess, Receiver, basic, delivery, running_on

USER, PASSWORD, NAME = "keeper-of-db", "sesame-4711", "hidden_database"
PUBLIC = ["/health", "/ready", "/metrics", "/openapi.json", "/docs", HOOK, "/nowhere"]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def offline(port: int, sandbox: SandboxServer) -> Iterator[Receiver]:
    """A receiver whose database is unreachable."""
    url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/{NAME}"
    with running_on(url, sandbox) as receiver:
        yield receiver


def test_without_the_database_no_answer_names_its_address(offline: Receiver, port: int) -> None:
    message = {"reservation_id": 1, "message": "Hello"}
    account = {"account_id": ACCOUNT, "client_secret": "x"}
    answers = [offline.http.get(offline.url + path, timeout=30) for path in PUBLIC]
    answers += [
        offline.post(PING, basic("some login", "some password")),
        offline.post(PING, basic("login", "password")),
    ]
    for method, path in OPERATIONS:
        guest = {"reservation_id": 1}
        bodies = {
            "/messages": message,
            "/events/replay": {"failed": True},
            "/guests/find": guest,
            "/guests/erase": guest,
        }
        body = bodies.get(path, account)
        given = None if method in ("GET", "DELETE") else body
        if method in ("PUT", "PATCH"):
            given = {"client_secret": "x"}
        answers.append(offline.api(method, path, given, **{"Idempotency-Key": "k"}))
    answers.append(offline.api("POST", f"/accounts/{ACCOUNT}/sync?dry_run=true"))
    assert [answer.status_code for answer in answers].count(503) == len(OPERATIONS) + 4
    for answer in answers:
        shown = answer.text + str(answer.headers)
        for inside in (USER, PASSWORD, NAME, str(port), "connection to server", "psycopg", "postgresql://"):
            assert inside not in shown, (answer.request.path_url, inside)
        if answer.status_code == 503:
            assert "database is unavailable" in answer.json()["detail"]
            assert "127.0.0.1" not in shown


def test_the_log_names_the_databases_address_and_not_its_password(open_process: OpenProcess, port: int) -> None:
    url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/{NAME}"
    process = open_process(HOSTAWAY_DATABASE_URL=url)
    assert process.receiver().http.get(f"{process.url}/ready", timeout=30).status_code == 503
    process.stop()
    assert f"127.0.0.1:{port}/{NAME}" in process.text
    assert PASSWORD not in process.text


def test_an_unescaped_at_sign_in_the_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the password would be taken for the host, which is logged."""
    monkeypatch.setenv("HOSTAWAY_DATABASE_URL", "postgresql://user:open@sesame@127.0.0.1:1/none")
    with pytest.raises(ConfigurationError, match="%40") as caught:
        load_settings()
    assert "sesame" not in str(caught.value)


def test_stored_errors_are_shown_without_the_databases_address(
    receiver: Receiver, services: Services, database_url: str
) -> None:
    """Errors are stored while it is unavailable and shown later."""
    text = "postgresql://db.internal:5432/hostaway: Postgres cannot be reached or went away (user keeper)"
    services.sync_runs.start(ACCOUNT, mode="full", source="cli", dagster_run_id=None, entities=[])
    rows(database_url, "UPDATE hostaway.sync_runs SET error = %s RETURNING 1", text)
    assert receiver.deliver(delivery(reservation(1))).ok
    rows(database_url, "UPDATE hostaway.webhook_events SET error = %s RETURNING 1", text)
    for path in ("/accounts", f"/accounts/{ACCOUNT}", "/events"):
        answer = receiver.api("GET", path)
        assert "database is unavailable" in answer.text
        assert "db.internal" not in answer.text
        assert "keeper" not in answer.text


# Probes


def test_ready_writes_nothing(sandbox: SandboxServer, new_database: Callable[[], str]) -> None:
    url = new_database()
    newest = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS number"  # only a write takes a number
    with running_on(url, sandbox) as receiver:
        before = rows(url, newest)
        assert receiver.http.get(f"{receiver.url}/ready").status_code == 200
        assert rows(url, newest) == before
        assert rows(url, "SELECT * FROM hostaway.key_canaries") == []


def test_a_read_only_database_is_not_ready(sandbox: SandboxServer, new_database: Callable[[], str]) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        name = libpq_environment(url)["PGDATABASE"]
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    with running_on(url, sandbox) as receiver:
        answer = receiver.http.get(f"{receiver.url}/ready")
    assert answer.status_code == 503, "no delivery could be stored"
    assert name not in answer.text


def test_the_first_stored_secret_records_its_key(sandbox: SandboxServer, new_database: Callable[[], str]) -> None:
    url = new_database()
    with running_on(url, sandbox) as receiver:
        new = {"account_id": ACCOUNT, "client_secret": f"sandbox-secret-{ACCOUNT}"}
        assert receiver.api("POST", "/accounts", new).status_code == 201
        assert len(rows(url, "SELECT * FROM hostaway.key_canaries")) == 1


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/docs", "/openapi.json", HOOK])
def test_head_is_answered_where_get_is(receiver: Receiver, path: str) -> None:
    head, get = (receiver.http.request(method, receiver.url + path) for method in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert receiver.http.get(f"{receiver.url}/health").status_code == 200, "the connection is still good"


def test_head_is_refused_where_get_is(receiver: Receiver) -> None:
    assert receiver.api("HEAD", "/messages").status_code == 405
    assert receiver.api("HEAD", "/accounts", key=None).status_code == 401
    assert receiver.api("HEAD", "/accounts").status_code == 200
    assert receiver.api("HEAD", "/nowhere").status_code == 404


# The protocol below the app


GARBAGE = [
    b"sesame-in-garbage\r\n\r\n",
    b"GET /sesame\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET sesame HTTP/1.1\r\n\r\n",
    b"CONNECT sesame:80 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nsesame header: \x00sesame\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: sesame\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nsesame",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: sesame\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nsesame\r\n",
    b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: sesame\r\n\r\n",
    b"GET /" + b"sesame" * 2000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Sesame: " + b"sesame" * 9000 + b"\r\n\r\n",
    b"GET /%00%ff%sesame?sesame HTTP/1.1\r\n\r\n",
    b"GET http://[sesame HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nsesame: sesame\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Forwarded-For: sesame\r\nAuthorization: Basic sesame\r\n\r\n",
]


def test_garbage_is_quoted_neither_in_an_answer_nor_in_the_log(open_process: OpenProcess) -> None:
    process = open_process(HOSTAWAY_LOG_LEVEL="DEBUG")
    for garbage in GARBAGE:
        with closing(socket.create_connection(("127.0.0.1", process.port), timeout=60)) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            try:
                answer = connection.recv(65536)
            except ConnectionError:
                answer = b""
            assert b"sesame" not in answer
            assert re.match(rb"HTTP/1.1 4\d\d|$", answer), answer
    assert process.receiver().http.get(f"{process.url}/health").status_code == 200
    process.stop()
    assert "sesame" not in process.text
    assert "Traceback" not in process.text
