"""A second outgoing IP address for a test: forwards TCP, and connects from another address of the loopback range."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Nat:
    """Requests to `url` reach the server of `target` from `address`."""

    def __init__(self, target: str, address: str = "127.0.0.2") -> None:
        parts = urlsplit(target)
        self._target, self._address = (parts.hostname, parts.port), address
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                inside, _ = self._listener.accept()
                outside = socket.create_connection(self._target, source_address=(self._address, 0))
                for source, sink in ((inside, outside), (outside, inside)):
                    threading.Thread(target=_forward, args=(source, sink), daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
