"""Limits of one request: nothing is read without credentials, and no request is endless."""

import socket
import time
from contextlib import closing

import pytest

from hostaway_pipeline.store.accounts.webhooks import Credential
from tests.receiver.sockets import connect, is_closed_within, read_status, request_head, send_until_closed
from tests.receiver.steps import HOOK, PING, Receiver, basic, delivery
from tests.waiting import wait_until

MEBIBYTE = 1024 * 1024


# Without credentials, no body is read


@pytest.mark.parametrize(
    "headers",
    [(), ("Authorization: Basic d3Jvbmc6d3Jvbmc=",), ("Authorization: Bearer wrong",), ("Authorization: Basic !",)],
)
def test_wrong_credentials_are_refused_before_the_body_is_read(receiver: Receiver, headers: tuple[str, ...]) -> None:
    with closing(connect(receiver)) as connection:
        connection.sendall(request_head("POST", HOOK, *headers, length=1000))
        assert read_status(connection) == 401


@pytest.mark.parametrize("path", ["/accounts", "/messages", "/events/replay"])
def test_a_wrong_key_is_refused_before_the_body_is_read(receiver: Receiver, path: str) -> None:
    for headers in ((), ("Authorization: Bearer wrong",)):
        with closing(connect(receiver)) as connection:
            connection.sendall(request_head("POST", path, "Content-Type: application/json", *headers, length=1000))
            assert read_status(connection) == 401


def test_without_credentials_a_body_may_not_be_longer_than_a_ping(receiver: Receiver) -> None:
    with closing(connect(receiver)) as connection:
        connection.sendall(request_head("POST", HOOK, "Transfer-Encoding: chunked") + b"40\r\n" + b" " * 64 + b"\r\n")
        time.sleep(0.2)
        connection.sendall(b"1\r\nx\r\n")
        assert read_status(connection) == 401, "it is incomplete, and too long already"
    assert receiver.post(PING).status_code == 200


def test_a_large_content_length_is_refused_before_the_body_is_read(receiver: Receiver, credential: Credential) -> None:
    login = f"Authorization: {basic(credential.login, credential.password)['Authorization']}"
    with closing(connect(receiver)) as connection:
        connection.sendall(request_head("POST", HOOK, login, length=MEBIBYTE + 1))
        assert read_status(connection) == 413


def test_the_connection_stays_usable_after_a_refused_body(receiver: Receiver) -> None:
    with closing(connect(receiver)) as connection:
        connection.sendall(request_head("POST", HOOK, "Authorization: Basic eDp5", length=MEBIBYTE) + b"x" * 1000)
        assert read_status(connection) == 401
        connection.sendall(b"x" * (MEBIBYTE - 1000) + request_head("GET", "/health"))
        assert read_status(connection) == 200


# No request is endless


@pytest.mark.parametrize(
    ("begin", "part", "expected"),
    [
        (b"GET /", b"u" * 65536, {414}),
        (b"GET / HTTP/1.1\r\nX-Endless: ", b"v" * 65536, {431}),
        (b"GET / HTTP/1.1\r\n", b"X-Name: value\r\n" * 1000, {431}),
        (b"GET / HTTP/1.1\r\n", b"n" * 65536, {431}),
        (b"POST /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ", b"t" * 65536, {405, 431}),
        (b"GET /health HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nX-Endless: ", b"v" * 65536, {200, 431}),
        (b"GET /health HTTP/1.1\r\n\r\n" * 50, b"GET /health HTTP/1.1\r\n\r\n" * 5000, {400}),
    ],
    ids=["url", "header", "headers", "name", "trailer", "second", "pipeline"],
)
def test_an_endless_request_is_cut_off(receiver: Receiver, begin: bytes, part: bytes, expected: set[int]) -> None:
    """The first answer may belong to an earlier request of the connection."""
    with closing(connect(receiver)) as connection:
        connection.sendall(begin)
        sent = send_until_closed(connection, part, 200 * MEBIBYTE)
        assert sent < 20 * MEBIBYTE, "what the kernels hold, and no more"
        assert read_status(connection) in {*expected, None}
    assert receiver.deliver(delivery()).status_code == 200


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (request_head("GET", "/" + "u" * 9000), 414),
        (request_head("GET", "/health", "X-Long: " + "v" * 40_000), 431),
        (request_head("GET", "/health", *(f"X-{n}: v" for n in range(150))), 431),
        (b"no http at all\r\n\r\n", 400),
    ],
)
def test_a_refusal_names_the_reason_and_quotes_nothing(receiver: Receiver, request_: bytes, expected: int) -> None:
    with closing(connect(receiver)) as connection:
        connection.sendall(request_)
        answer = connection.recv(65536)
        assert int(answer[9:12]) == expected
        assert b"vvv" not in answer
        assert b"uuu" not in answer
        assert is_closed_within(connection, 25)


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET /hea",
        request_head("GET", "/health")[:-2],
        request_head("POST", HOOK, length=10),
        request_head("POST", HOOK, "Authorization: Basic eDp5", length=1000) + b"x",
        request_head("POST", HOOK, "Transfer-Encoding: chunked") + b"5\r\n",
        request_head("GET", "/health"),
        request_head("GET", "/health") + b"G",
    ],
    ids=["silent", "url", "head", "ping", "refused body", "chunk", "kept", "kept, next"],
)
def test_every_phase_of_a_request_has_a_deadline(impatient_receiver: Receiver, begin: bytes) -> None:
    with closing(connect(impatient_receiver)) as connection:
        connection.sendall(begin)
        assert is_closed_within(connection, 60)


def test_single_bytes_do_not_extend_a_deadline(impatient_receiver: Receiver) -> None:
    with closing(connect(impatient_receiver)) as slow:
        began = time.monotonic()
        for byte in (b"G", *(b"E" for _ in range(600))):
            try:
                slow.sendall(byte)
            except ConnectionError:
                break
            time.sleep(0.1)
        assert time.monotonic() - began < 30


def test_the_body_of_an_authenticated_delivery_has_a_deadline(
    impatient_receiver: Receiver, credential: Credential
) -> None:
    login = f"Authorization: {basic(credential.login, credential.password)['Authorization']}"
    with closing(connect(impatient_receiver)) as slow:
        slow.sendall(request_head("POST", HOOK, login, length=1000) + b"{")
        assert read_status(slow) == 408
    assert impatient_receiver.deliver(delivery()).status_code == 200


def test_a_client_that_does_not_read_its_answer_is_disconnected(impatient_receiver: Receiver) -> None:
    page = impatient_receiver.http.get(f"{impatient_receiver.url}/docs").text
    script = page.partition('src="')[2].partition('"')[0]
    with closing(socket.socket()) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", int(impatient_receiver.url.rpartition(":")[2])))
        lazy.sendall(request_head("GET", script) * 8)
        wait_until(lambda: len(impatient_receiver.limiter) >= 1)
        impatient_receiver.http.close()
        wait_until(lambda: len(impatient_receiver.limiter) == 0)
