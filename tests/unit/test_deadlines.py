"""An answer has an end: by the clock, by its size, or because the client is told to stop, whatever it waits for."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

from hostaway_pipeline.client.transport import Transport
from hostaway_pipeline.errors import Aborted, ApiError, GarbledBody, NetworkError

TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOi"
READ_SECONDS = 0.6  # so that a whole answer may take twice as long
# Many times what is needed, as the machine may be busy; without a deadline it would take for ever.
SOON = 60.0
ENVELOPE = b'{"status": "success", "result": []}'
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 5000\r\n\r\n"


@dataclass
class Slow:
    """A server that says `at_once`, then `drop` again and again, a little faster than a read timeout would notice."""

    url: str
    sent: int = 0


@contextmanager
def answering(at_once: bytes, drop: bytes, every: float = 0.05) -> Iterator[Slow]:
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        slow = Slow(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")

        def answer(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(at_once)
                while not is_over.wait(every):
                    connection.sendall(drop)
                    slow.sent += len(drop)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield slow
        is_over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def silent() -> Iterator[Slow]:
    with answering(b"", b"", every=SOON) as slow:
        yield slow


@contextmanager
def silent_tls() -> Iterator[Slow]:
    with silent() as slow:
        yield Slow(slow.url.replace("http:", "https:"))


@contextmanager
def deaf() -> Iterator[Slow]:
    """Nobody accepts, and the queue of those who wait is full: connecting itself takes for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield Slow(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        for one in waiting:
            one.close()


def assert_in_one_of_several_tries(outcome: Callable[[], bool]) -> None:
    """This machine may hold up the server of one try, so that the read timeout ends it, but not of all of them."""
    assert any(outcome() for _ in range(5))


def get(transport: Transport) -> object:
    return transport.call("GET", "/listings", TOKEN)


def failure(act: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        act()
    return caught.value


DRIBBLES = {
    "status line": (b"", b"H"),
    "one header": (OK + b"X-Slow: ", b"x"),
    "headers": (OK, b"X-Slow: x\r\n"),
    "body": (OK + LENGTH, b" "),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "error": (b"HTTP/1.1 500 Internal Server Error\r\n" + LENGTH, b" "),
}


@pytest.mark.parametrize(("at_once", "drop"), DRIBBLES.values(), ids=DRIBBLES.keys())
def test_an_answer_that_dribbles_ends_by_the_clock(at_once: bytes, drop: bytes) -> None:
    """A read timeout counts from byte to byte, and there is always one more."""

    def outcome() -> bool:
        with answering(at_once, drop) as slow:
            began = time.monotonic()
            error = failure(lambda: get(Transport(slow.url, connections=1, read_seconds=READ_SECONDS)))
        assert type(error) is NetworkError
        assert time.monotonic() - began < SOON
        is_the_clock = "no whole answer within 1.2 s" in str(error)
        assert is_the_clock <= (time.monotonic() - began >= 2 * READ_SECONDS)
        return is_the_clock

    assert_in_one_of_several_tries(outcome)


def test_a_body_without_a_length_that_is_cut_off_by_the_clock_is_not_taken_for_whole() -> None:
    """What came before the cut is valid JSON, and an end of the connection is how such a body ends."""
    with answering(OK + b"Connection: close\r\n\r\n" + ENVELOPE, b" ") as slow:
        error = failure(lambda: get(Transport(slow.url, connections=1, read_seconds=READ_SECONDS)))
    assert type(error) is NetworkError


def test_each_request_has_its_own_deadline() -> None:
    """The clock of an earlier one, on the same kept connection, ends nothing."""
    answer = OK + b"Content-Length: %d\r\n\r\n" % len(ENVELOPE) + ENVELOPE

    def are_all_answered() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    while connection.recv(65536):
                        time.sleep(0.4 * READ_SECONDS)
                        connection.sendall(answer)

            serving = threading.Thread(target=serve)
            serving.start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            transport = Transport(url, connections=1, read_seconds=READ_SECONDS)
            answers: list[object] = []
            with suppress(NetworkError):
                answers += [get(transport) for _ in range(8)]
            transport.close()
            serving.join()
        return len(answers) == 8

    assert_in_one_of_several_tries(are_all_answered)


@contextmanager
def well_once() -> Iterator[Slow]:
    """The first request of the connection is answered, and it is kept; the next answer dribbles."""
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(ENVELOPE) + ENVELOPE)
                connection.recv(65536)
                while not is_over.wait(0.05):
                    connection.sendall(b"H")

        threading.Thread(target=serve, daemon=True).start()
        yield Slow(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        is_over.set()


def test_a_connection_that_was_kept_is_watched_as_well() -> None:

    def is_ended_by_the_clock() -> bool:
        with well_once() as slow:
            transport = Transport(slow.url, connections=1, read_seconds=READ_SECONDS)
            with suppress(NetworkError):
                get(transport)
            began = time.monotonic()
            error = failure(lambda: get(transport))
        assert (type(error), time.monotonic() - began < SOON) == (NetworkError, True)
        return "no whole answer within" in str(error)

    assert_in_one_of_several_tries(is_ended_by_the_clock)


def test_a_body_without_an_end_does_not_fill_the_memory() -> None:
    with answering(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + b" " * 0x100000 + b"\r\n", 0) as slow:
        error = failure(lambda: get(Transport(slow.url, connections=1, read_seconds=60)))
    assert type(error) is GarbledBody
    assert "larger than 64 MiB" in str(error)
    assert slow.sent < 100 * 2**20


STANDSTILLS = {
    "connecting": deaf,
    "tls": silent_tls,
    "waiting": silent,
    "headers": lambda: answering(*DRIBBLES["one header"]),
    "body": lambda: answering(*DRIBBLES["body"]),
}


@pytest.mark.parametrize("standstill", STANDSTILLS.values(), ids=STANDSTILLS.keys())
def test_an_abort_ends_what_is_under_way_and_lets_nothing_begin(standstill) -> None:
    with standstill() as slow:
        transport = Transport(slow.url, connections=4, read_seconds=600)
        ended: list[ApiError] = []

        def read() -> None:
            ended.append(failure(lambda: get(transport)))

        readers = [threading.Thread(target=read, daemon=True) for _ in range(4)]
        for reader in readers:
            reader.start()
        time.sleep(0.5)
        assert not ended
        transport.abort()
        for reader in readers:
            reader.join(SOON)
        assert [type(error) for error in ended] == [Aborted] * 4
        assert type(failure(lambda: get(transport))) is Aborted


def test_an_abort_ends_a_look_up_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver has timeouts of its own, of many seconds."""
    asked, is_over = threading.Event(), threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        asked.set()
        is_over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    transport = Transport("http://slow.example", connections=1, read_seconds=600)
    threading.Thread(target=lambda: (asked.wait(10), transport.abort()), daemon=True).start()
    began = time.monotonic()
    error = failure(lambda: get(transport))
    is_over.set()
    assert (type(error), time.monotonic() - began < SOON) == (Aborted, True)
