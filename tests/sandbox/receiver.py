"""What stands at a webhook's URL in these tests: it remembers every request and answers as it is told."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    """All of the sandbox's connections at once: one that finds no room is tried again after a second only."""


class Receiver:
    """`answers` are the statuses of the next deliveries, then it is always `status`; None closes the connection."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int | None] = []
        self.status: int | None = 200
        self.text = ""
        self.closes = False
        """Closes the connection after each answer, without announcing it."""
        self.pause: Callable[[], None] = lambda: None
        self._server = Server(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?of=tests"

    @property
    def deliveries(self) -> list[Received]:
        """Without the pings of a registration."""
        return [one for one in self.received if one.method == "POST" and one.json != {"data": "test"}]

    @property
    def payloads(self) -> list[Any]:
        return [one.json for one in self.deliveries]

    @property
    def events(self) -> list[str]:
        return [payload["event"] for payload in self.payloads]

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), name="receiver", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        received = Received(
            handler.command, handler.path, dict(handler.headers), body, handler.client_address, time.monotonic()
        )
        self.received.append(received)
        status = self._status(received)
        self.pause()
        if status is None:
            handler.close_connection = True
            return
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(self.text)))
        handler.send_header("Location", self.url)
        handler.end_headers()
        handler.wfile.write(self.text.encode())
        handler.close_connection = self.closes

    def _status(self, received: Received) -> int | None:
        is_ping = received.method == "GET" or received.json == {"data": "test"}
        return self.answers.pop(0) if self.answers and not is_ping else self.status

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (the class inside has its own self)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                receiver._take(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler
