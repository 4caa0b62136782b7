"""Connection limits of one listener: how many connections there may be, and which one is evicted for a new one.

The limits of a single connection are enforced in protocol.py.
"""

import asyncio
import resource
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

# Files, the database and the interpreter need descriptors, too.
_OTHER_DESCRIPTORS = 128
_CHECK_SECONDS = 0.5
_FEWEST = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections there may be, and the seconds and bytes that each of them may take.

    `head`: from the connection, or the first byte of a request, to the end of its headers. `body`: from there to its
    last byte. `unread`: for a client that does not read its answer. `idle`: between two requests.
    """

    connections: int = 1_000
    head_seconds: float = 10.0
    body_seconds: float = 15.0
    unread_seconds: float = 30.0
    idle_seconds: int = 30
    url_bytes: int = 8 * 1024
    head_bytes: int = 32 * 1024
    headers: int = 100
    refused_body_bytes: int = 4 * 1024 * 1024


class Connection(Protocol):
    """`deadline` is in the loop's time; None: nothing is expected from the client now."""

    deadline: float | None

    def expire(self) -> None: ...

    def evict(self) -> None: ...


class ConnectionLimiter:
    """Accepting never stops: at the limit, a new connection evicts the one whose client has kept us waiting longest."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._connections: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # for their clients, the longest wait first
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> bool:
        """False at the limit when no connection waits for its client: each of them is being answered."""
        if len(self._connections) >= self.limits.connections:
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                return False
            self.remove(oldest)
            oldest.evict()
        self._connections.add(connection)
        if self._timer is None:
            self._timer = loop.call_later(_CHECK_SECONDS, self._expire_overdue, loop)
        return True

    def remove(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._waiting.pop(connection, None)

    def mark_waiting(self, connection: Connection) -> None:
        """We wait for the client: this connection may be evicted."""
        if connection in self._connections:
            self._waiting.setdefault(connection)

    def mark_answering(self, connection: Connection) -> None:
        """The client waits for us: this connection may not be evicted."""
        self._waiting.pop(connection, None)

    def _expire_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for overdue in [each for each in self._connections if each.deadline is not None and each.deadline <= now]:
            overdue.expire()
        self._timer = loop.call_later(_CHECK_SECONDS, self._expire_overdue, loop) if self._connections else None


def allow_descriptors(limits: Limits) -> int:
    """Raise this process's limit of open files as far as needed; return how many connections it then allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits.connections
    return max(_FEWEST, min(limits.connections, soft - _OTHER_DESCRIPTORS))
