"""Group commit: what arrives while a commit is under way shares the next one. Each is answered after its own.

One thread writes; while it waits for the disk, the event loop takes in what comes next.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hostaway_pipeline.domain.events import Delivery
from hostaway_pipeline.errors import DatabaseConflict, DatabaseUnavailable, EventRejected

Accept = Callable[[Sequence[tuple[Delivery, str]]], int]
# In jsonb a payload may take several times its size, and one value must stay below 256 MiB.
_MOST_PER_COMMIT, _MOST_BYTES_PER_COMMIT = 200, 8 * 1024 * 1024
# Beyond this the database does not keep up: Hostaway tries again later.
_MOST_WAITING, _MOST_BYTES_WAITING = 5_000, 128 * 1024 * 1024
# Hostaway waits 20 s for the answer.
_PATIENCE_SECONDS = 15.0
# So long an account whose row is locked is not tried again: a try keeps all others waiting for a second.
_LOCKED_SECONDS = 5.0


class _Waiting:
    __slots__ = ("delivery", "done", "request_id")

    def __init__(self, delivery: Delivery, request_id: str, done: "asyncio.Future[None]") -> None:
        self.delivery = delivery
        self.request_id = request_id
        self.done = done

    @property
    def key(self) -> tuple[int, str, int | None]:
        return self.delivery.account_id, self.delivery.object, self.delivery.object_id

    @property
    def size(self) -> int:
        return len(self.delivery.payload)


class InboxWriter:
    """`stored` and `commits` count what happened since the start."""

    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._thread = ThreadPoolExecutor(1, "inbox")
        self._waiting: list[_Waiting] = []
        self._bytes_waiting = 0
        self._committing: asyncio.Future[None] | None = None
        self._locked_until: dict[int, float] = {}  # accounts whose row was locked; monotonic seconds
        self.stored = 0
        self.repeated = 0
        self.commits = 0

    async def store(self, delivery: Delivery, request_id: str) -> None:
        """Returns once the delivery is durable. Raises DatabaseUnavailable, or EventRejected for this one alone.

        An account whose row another transaction keeps for itself is refused at once for some seconds: each try would
        keep all the others waiting.
        """
        if self._locked_until.get(delivery.account_id, 0.0) > time.monotonic():
            raise DatabaseConflict("another transaction holds this account's row")
        if len(self._waiting) >= _MOST_WAITING or self._bytes_waiting > _MOST_BYTES_WAITING:
            raise DatabaseUnavailable("the database does not keep up with the deliveries")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append(_Waiting(delivery, request_id, done))
        self._bytes_waiting += len(delivery.payload)
        if self._committing is None:
            self._begin(loop)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await done
        except TimeoutError:
            raise DatabaseUnavailable("the database did not answer in time") from None

    async def close(self) -> None:
        """Commit what is still waiting."""
        while self._committing is not None:
            await asyncio.wait([self._committing])
            await asyncio.sleep(0)
        self._thread.shutdown()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = _distinct(self._waiting)
        self._bytes_waiting -= sum(one.size for one in batch)
        if not batch:
            self._committing = None
            return
        self._committing = loop.run_in_executor(self._thread, self._commit, batch, loop)

    def _commit(self, batch: list[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        """In the writer's thread."""
        first = self._stored(batch)
        if isinstance(first, EventRejected) and len(batch) > 1:
            results = [self._stored([one]) for one in batch]
        elif isinstance(first, DatabaseConflict):
            results = self._stored_by_account(batch)
        else:
            results = [first] * len(batch)
        loop.call_soon_threadsafe(self._end, batch, results, loop)

    def _stored_by_account(self, batch: list[_Waiting]) -> list[Exception | None]:
        """Whose row is locked is the only one that is refused, and for some seconds is not tried again."""
        found: dict[int, Exception | None] = {}
        for account_id in dict.fromkeys(one.delivery.account_id for one in batch):
            found[account_id] = self._stored([one for one in batch if one.delivery.account_id == account_id])
            if isinstance(found[account_id], DatabaseConflict):
                self._locked_until[account_id] = time.monotonic() + _LOCKED_SECONDS
            else:
                self._locked_until.pop(account_id, None)
        return [found[one.delivery.account_id] for one in batch]

    def _stored(self, batch: list[_Waiting]) -> Exception | None:
        try:
            self._count(batch)
        except Exception as error:  # noqa: BLE001 (whatever it is, those who wait must hear of it)
            return error
        return None

    def _count(self, batch: list[_Waiting]) -> None:
        stored = self._accept([(one.delivery, one.request_id) for one in batch])
        self.commits += 1
        self.stored += stored
        self.repeated += len(batch) - stored

    def _end(self, batch: list[_Waiting], results: list[Exception | None], loop: asyncio.AbstractEventLoop) -> None:
        for one, error in zip(batch, results, strict=True):
            if one.done.done():  # its client has gone, or its time was over
                continue
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(error)
        self._begin(loop)


def _distinct(waiting: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """The next batch, which names no object twice, and those that have to wait for the one after it, in order."""
    batch: list[_Waiting] = []
    later: list[_Waiting] = []
    named: set[tuple[int, str, int | None]] = set()
    size = 0
    for one in waiting:
        is_full = len(batch) >= _MOST_PER_COMMIT or (batch and size + one.size > _MOST_BYTES_PER_COMMIT)
        if is_full or (one.delivery.object_id is not None and one.key in named):
            later.append(one)
        else:
            batch.append(one)
            size += one.size
        named.add(one.key)
    return batch, later
