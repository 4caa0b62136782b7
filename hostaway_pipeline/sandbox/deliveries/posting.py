"""Sends HTTP requests to receivers over kept-alive connections. Neither retries nor follows redirects."""

import select
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

LONGEST_IDLE = 3.0
"""Seconds. Servers close idle connections (uvicorn after 5 s), and a request into a closing one may have arrived."""

MOST_READ = 64 * 1024

Origin = tuple[str, str, int | None]


class Answer(NamedTuple):
    """A receiver's answer; `status` is None when none came."""

    status: int | None
    body: str = ""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_transient(self) -> bool:
        """Whether to retry: no answer, 429 or 5xx."""
        return self.status is None or self.status == 429 or self.status >= 500


@dataclass(slots=True)
class KeptConnection:
    connection: HTTPConnection
    used_at: float


class Connections:
    """Keeps one connection per server. Not thread-safe: each thread has its own."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._kept: dict[Origin, KeptConnection] = {}

    def send(self, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
        """Send one request. Any failure to get an answer is reported as no answer."""
        parts = urlsplit(url)
        connection = self._connection(parts)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read(MOST_READ).decode("utf-8", "replace")
            if not response.isclosed():
                connection.close()
        except (OSError, HTTPException, UnicodeError):
            connection.close()
            return Answer(None)
        return Answer(response.status, text)

    def close(self) -> None:
        for kept in self._kept.values():
            kept.connection.close()
        self._kept.clear()

    def _connection(self, parts: SplitResult) -> HTTPConnection:
        origin = parts.scheme, parts.hostname or "", parts.port
        now = time.monotonic()
        if kept := self._kept.get(origin):
            if now - kept.used_at > LONGEST_IDLE or is_closed_by_peer(kept.connection):
                kept.connection.close()
            kept.used_at = now
            return kept.connection
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(origin[1], origin[2], timeout=self._timeout)
        self._kept[origin] = KeptConnection(connection, now)
        return connection


def is_closed_by_peer(connection: HTTPConnection) -> bool:
    """Whether an idle connection is readable: between two answers that can only be its end."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
