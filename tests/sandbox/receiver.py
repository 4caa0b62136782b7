"""An HTTP server at a webhook's URL: it records every request and answers as configured."""

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

    @property
    def is_ping(self) -> bool:
        """Whether this is one of the two requests that test a URL at registration."""
        return self.method == "GET" or self.json == {"data": "test"}


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    """Room for all of the sandbox's connections at once: a refused one is retried only after a second."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.connections: set[Any] = set()
        """Those that are open."""

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.connections.discard(request)


class Receiver:
    """Answers deliveries with the statuses in `answers`, then always with `status`; None closes the connection."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int | None] = []
        self.status: int | None = 200
        self.text = ""
        self.closes = False
        """Close the connection after each answer without announcing it."""
        self.pause: Callable[[], None] = lambda: None
        self._server = Server(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?of=tests"

    @property
    def has_connections(self) -> bool:
        return bool(self._server.connections)

    @property
    def deliveries(self) -> list[Received]:
        """The received deliveries, without the pings of a registration."""
        return [request for request in self.received if not request.is_ping]

    @property
    def payloads(self) -> list[Any]:
        return [delivery.json for delivery in self.deliveries]

    @property
    def events(self) -> list[str]:
        return [payload["event"] for payload in self.payloads]

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), name="receiver", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
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
        return self.answers.pop(0) if self.answers and not received.is_ping else self.status

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (the class inside has its own self)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                receiver._answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler
