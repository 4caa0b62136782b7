"""All connections of one listener: how many there may be, which of them wait, and who has to go.

What a single connection may do is door.py's.
"""

import asyncio
import resource
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

# Files, the database and the interpreter need descriptors, too.
_OTHER_DESCRIPTORS = 128
_LOOK_SECONDS = 0.5
_FEWEST = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes that one connection may take, and how many connections there may be.

    `head`: from the connection, or the first byte of a request, to the end of its headers. `body`: from there to its
    last byte. `unread`: for a client that does not read its answer.
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


class Member(Protocol):
    """`deadline` by the loop's clock; None: nothing is expected from the client now."""

    deadline: float | None

    def expire(self) -> None: ...

    def evict(self) -> None: ...


class Crowd:
    """Accepting never stops: where there is no room, the client that has been waited for longest makes it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._members: set[Member] = set()
        self._waited_for: dict[Member, None] = {}  # since the first of them, in this order
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, one: Member, loop: asyncio.AbstractEventLoop) -> bool:
        """False when all the others are being answered: then there is no room."""
        if len(self._members) >= self.limits.connections:
            oldest = next(iter(self._waited_for), None)
            if oldest is None:
                return False
            self.leave(oldest)
            oldest.evict()
        self._members.add(one)
        if self._timer is None:
            self._timer = loop.call_later(_LOOK_SECONDS, self._look, loop)
        return True

    def leave(self, one: Member) -> None:
        self._members.discard(one)
        self._waited_for.pop(one, None)

    def wait_for(self, one: Member) -> None:
        """It is the client's turn: it may have to make room."""
        if one in self._members:
            self._waited_for.setdefault(one)

    def answer(self, one: Member) -> None:
        """It is our turn."""
        self._waited_for.pop(one, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in [one for one in self._members if one.deadline is not None and one.deadline <= now]:
            one.expire()
        self._timer = loop.call_later(_LOOK_SECONDS, self._look, loop) if self._members else None


def allow_descriptors(limits: Limits) -> int:
    """Raise this process's limit of open files as far as the limits need; how many connections it allows then."""
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
