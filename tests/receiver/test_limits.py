"""Whoever leans on the door: no credentials, no memory; no request that never ends; and the right delivery passes."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Event, Thread

import orjson
import psutil
import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.store.accounts.webhooks import Credential
from tests.factories import make_settings, reservation
from tests.receiver.steps import HOOK, KEY, PING, Process, Receiver, basic, delivery, running, wait_until
from webhook_receiver.auth import WrongTries
from webhook_receiver.connections import Limits

OpenReceiver = Callable[..., Receiver]
StartProcess = Callable[..., Process]
QUICK = Limits(connections=40, head_seconds=1.0, body_seconds=1.0, unread_seconds=1.0, idle_seconds=2)
MEBIBYTE = 1024 * 1024


def connected(receiver: Receiver) -> socket.socket:
    port = int(receiver.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def head(method: str = "POST", path: str = HOOK, *headers: str, length: int | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def status(connection: socket.socket) -> int | None:
    """Of the next answer; None when the connection is closed without one."""
    try:
        line = connection.recv(65536)
    except ConnectionError:
        return None
    return int(line[9:12]) if line else None


def is_closed_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def poured(connection: socket.socket, part: bytes, most: int) -> int:
    """How many bytes were taken before the other side had enough."""
    sent = 0
    try:
        while sent < most:
            connection.sendall(part)
            sent += len(part)
    except ConnectionError:
        pass
    return sent


# Before the credentials are known, nothing of a body


@pytest.mark.parametrize(
    "headers",
    [(), ("Authorization: Basic d3Jvbmc6d3Jvbmc=",), ("Authorization: Bearer wrong",), ("Authorization: Basic !",)],
)
def test_without_right_credentials_the_answer_comes_before_the_body(
    receiver: Receiver, headers: tuple[str, ...]
) -> None:
    with closing(connected(receiver)) as connection:
        connection.sendall(head("POST", HOOK, *headers, length=1000))
        assert status(connection) == 401


@pytest.mark.parametrize("path", ["/accounts", "/messages", "/events/replay"])
def test_without_a_right_key_the_answer_comes_before_the_body(receiver: Receiver, path: str) -> None:
    for headers in ((), ("Authorization: Bearer wrong",)):
        with closing(connected(receiver)) as connection:
            connection.sendall(head("POST", path, "Content-Type: application/json", *headers, length=1000))
            assert status(connection) == 401


def test_a_ping_may_come_without_credentials_and_grows_no_further(receiver: Receiver) -> None:
    with closing(connected(receiver)) as connection:
        connection.sendall(head("POST", HOOK, "Transfer-Encoding: chunked") + b"40\r\n" + b" " * 64 + b"\r\n")
        time.sleep(0.2)
        connection.sendall(b"1\r\nx\r\n")
        assert status(connection) == 401, "it is not at its end, and too long already"
    assert receiver.post(PING).status_code == 200


def test_the_length_that_is_told_is_enough_to_refuse(receiver: Receiver, credential: Credential) -> None:
    login = f"Authorization: {basic(credential.login, credential.password)['Authorization']}"
    with closing(connected(receiver)) as connection:
        connection.sendall(head("POST", HOOK, login, length=MEBIBYTE + 1))
        assert status(connection) == 413


def test_the_connection_stays_usable_after_a_body_that_nobody_wanted(receiver: Receiver) -> None:
    with closing(connected(receiver)) as connection:
        connection.sendall(head("POST", HOOK, "Authorization: Basic eDp5", length=MEBIBYTE) + b"x" * 1000)
        assert status(connection) == 401
        connection.sendall(b"x" * (MEBIBYTE - 1000) + head("GET", "/health"))
        assert status(connection) == 200


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
def test_what_never_ends_is_cut_off(receiver: Receiver, begin: bytes, part: bytes, expected: set[int]) -> None:
    """Whichever is told first where an answer to what came before is due: that, or what is too much."""
    with closing(connected(receiver)) as connection:
        connection.sendall(begin)
        sent = poured(connection, part, 200 * MEBIBYTE)
        assert sent < 20 * MEBIBYTE, "what the kernels hold, and no more"
        assert status(connection) in {*expected, None}
    assert receiver.deliver(delivery()).status_code == 200


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (head("GET", "/" + "u" * 9000), 414),
        (head("GET", "/health", "X-Long: " + "v" * 40_000), 431),
        (head("GET", "/health", *(f"X-{n}: v" for n in range(150))), 431),
        (b"no http at all\r\n\r\n", 400),
    ],
)
def test_the_refusal_says_why_and_repeats_nothing(receiver: Receiver, request_: bytes, expected: int) -> None:
    with closing(connected(receiver)) as connection:
        connection.sendall(request_)
        answer = connection.recv(65536)
        assert int(answer[9:12]) == expected
        assert b"vvv" not in answer
        assert b"uuu" not in answer
        assert is_closed_within(connection, 5)


@pytest.fixture
def quick(database_url: str, sandbox: SandboxServer, credential: Credential) -> Iterator[Receiver]:
    with running(make_settings(database_url, sandbox.url, api_keys=KEY), credential, QUICK) as receiver:
        yield receiver


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET /hea",
        head("GET", "/health")[:-2],
        head("POST", HOOK, length=10),
        head("POST", HOOK, "Authorization: Basic eDp5", length=1000) + b"x",
        head("POST", HOOK, "Transfer-Encoding: chunked") + b"5\r\n",
        head("GET", "/health"),
        head("GET", "/health") + b"G",
    ],
    ids=["silent", "url", "head", "ping", "refused body", "chunk", "kept", "kept, next"],
)
def test_every_phase_has_an_end(quick: Receiver, begin: bytes) -> None:
    with closing(connected(quick)) as connection:
        connection.sendall(begin)
        assert is_closed_within(connection, 8)


def test_a_byte_now_and_then_prolongs_nothing(quick: Receiver) -> None:
    with closing(connected(quick)) as slow:
        began = time.monotonic()
        for byte in (b"G", *(b"E" for _ in range(60))):
            try:
                slow.sendall(byte)
            except ConnectionError:
                break
            time.sleep(0.1)
        assert time.monotonic() - began < 5


def test_the_body_of_one_who_may_deliver_has_its_time_too(quick: Receiver, credential: Credential) -> None:
    login = f"Authorization: {basic(credential.login, credential.password)['Authorization']}"
    with closing(connected(quick)) as slow:
        slow.sendall(head("POST", HOOK, login, length=1000) + b"{")
        assert status(slow) == 408
    assert quick.deliver(delivery()).status_code == 200


def test_a_client_that_does_not_read_its_answer_is_left(quick: Receiver) -> None:
    page = quick.http.get(f"{quick.url}/docs").text
    script = page.partition('src="')[2].partition('"')[0]
    with closing(socket.socket()) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", int(quick.url.rpartition(":")[2])))
        lazy.sendall(head("GET", script) * 8)
        wait_until(lambda: len(quick.limiter) >= 1)
        quick.http.close()
        wait_until(lambda: len(quick.limiter) == 0, seconds=8)


# Connections


def test_idle_connections_shut_nobody_out(quick: Receiver) -> None:
    """The one that has been waited for longest goes."""
    with ExitStack() as stack:
        idle = [stack.enter_context(closing(connected(quick))) for _ in range(120)]
        assert quick.from_another_address().deliver(delivery()).status_code == 200
        assert is_closed_within(idle[0], 0.5)
        assert not is_closed_within(idle[-1], 0.05)


def test_a_request_under_way_makes_no_room(quick: Receiver, credential: Credential) -> None:
    """A delivery waits for its commit while others come and only stand there."""
    login = f"Authorization: {basic(credential.login, credential.password)['Authorization']}"
    body = orjson.dumps(delivery(reservation(77)))
    with ExitStack() as stack:
        first = stack.enter_context(closing(connected(quick)))
        first.sendall(head("POST", HOOK, login, length=len(body)) + body)
        for _ in range(120):
            stack.enter_context(closing(connected(quick)))
        assert status(first) == 200


@contextmanager
def attacked(receiver: Receiver, attack: Callable[[Receiver], socket.socket], number: int) -> Iterator[None]:
    """`number` connections at once, made again when they are closed."""
    is_over = Event()

    def go_on() -> None:
        held = []
        while not is_over.is_set():
            try:
                held.append(attack(receiver))
            except OSError:
                time.sleep(0.01)
            for one in held[:-number]:
                one.close()
            held = held[-number:]
        for one in held:
            one.close()

    thread = Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def slow_body(receiver: Receiver) -> socket.socket:
    connection = connected(receiver)
    connection.sendall(head("POST", HOOK, length=MEBIBYTE) + b"x" * 100_000)
    return connection


def endless_header(receiver: Receiver) -> socket.socket:
    connection = connected(receiver)
    poured(connection, b"GET / HTTP/1.1\r\nX-Endless: " + b"v" * MEBIBYTE, 4 * MEBIBYTE)
    return connection


@pytest.mark.parametrize(
    ("attack", "number"), [(slow_body, 300), (endless_header, 10), (connected, 600)], ids=["bodies", "header", "idle"]
)
def test_under_attack_memory_is_bounded_and_right_deliveries_are_answered(
    start_process: StartProcess,
    environment: dict[str, str],
    credential: Credential,
    attack: Callable[[Receiver], socket.socket],
    number: int,
) -> None:
    process = start_process(environment | {"HOSTAWAY_LOG_LEVEL": "ERROR"})
    process.wait_until_up()
    receiver = Receiver(process.url, credential)
    for n in range(50):
        assert receiver.deliver(delivery(reservation(n))).ok
    memory = psutil.Process(process.process.pid).memory_info
    before = memory().rss
    with attacked(receiver, attack, number):
        end = time.monotonic() + 4
        slowest, most = 0.0, before
        while time.monotonic() < end:
            began = time.monotonic()
            assert Receiver(process.url, credential).deliver(delivery()).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
            most = max(most, memory().rss)
            time.sleep(0.05)
    assert slowest < 5
    assert most - before < 50 * MEBIBYTE


# Wrong tries


def test_wrong_tries_of_many_addresses_are_counted_in_bounded_memory() -> None:
    tries = WrongTries()
    for n in range(60_000):
        assert not tries.count_and_check(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(tries) <= 10_000


@pytest.mark.parametrize(
    ("addresses", "is_one"),
    [
        (("2001:db8::1", "2001:db8::2", "2001:0db8:0:0:ffff:ffff:ffff:ffff"), True),
        (("2001:db8:0:1::1", "2001:db8:0:2::1"), False),
        (("::ffff:192.0.2.1", "192.0.2.1"), True),
        (("::ffff:192.0.2.1", "::ffff:192.0.2.2"), False),
        (("192.0.2.1", "192.0.2.2"), False),
        (("x" * 10_000, "x" * 20_000), True),
    ],
)
def test_what_counts_as_one_address(addresses: tuple[str, ...], is_one: bool) -> None:
    tries = WrongTries()
    for n in range(21):
        found = tries.count_and_check(addresses[n % len(addresses)])
    assert found == is_one
