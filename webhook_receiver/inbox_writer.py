"""Group commit: deliveries that arrive during a commit share the next one. Each is answered after its own commit.

One thread writes; while it waits for the disk, the event loop accepts further deliveries.
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
# Beyond this the database does not keep up, and deliveries are refused: Hostaway retries later.
_MOST_WAITING, _MOST_BYTES_WAITING = 5_000, 128 * 1024 * 1024
# Hostaway waits 20 s for the answer.
_TIMEOUT_SECONDS = 15.0
# An account whose row is locked is refused this long without a try: each try delays all others by a second.
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
    """`stored`, `repeated` and `commits` are counts since the start."""

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
        """Returns once the delivery is durable. Raises DatabaseUnavailable, or EventRejected for this delivery only.

        While another transaction locks the account's row, its deliveries are refused at once (DatabaseConflict).
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
            self._start_commit(loop)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await done
        except TimeoutError:
            raise DatabaseUnavailable("the database did not answer in time") from None

    async def close(self) -> None:
        """Wait until everything that was accepted is committed."""
        while self._committing is not None:
            await asyncio.wait([self._committing])
            await asyncio.sleep(0)
        self._thread.shutdown()

    def _start_commit(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = _take_batch(self._waiting)
        self._bytes_waiting -= sum(waiting.size for waiting in batch)
        if not batch:
            self._committing = None
            return
        self._committing = loop.run_in_executor(self._thread, self._commit, batch, loop)

    def _commit(self, batch: list[_Waiting], loop: asyncio.AbstractEventLoop) -> None:
        """Run in the writer's thread."""
        first = self._try(batch)
        if isinstance(first, EventRejected) and len(batch) > 1:
            results = [self._try([waiting]) for waiting in batch]
        elif isinstance(first, DatabaseConflict):
            results = self._try_by_account(batch)
        else:
            results = [first] * len(batch)
        loop.call_soon_threadsafe(self._end_commit, batch, results, loop)

    def _try_by_account(self, batch: list[_Waiting]) -> list[Exception | None]:
        """Commit each account's deliveries on their own, so that a locked row fails only those of its account."""
        errors: dict[int, Exception | None] = {}
        for account_id in dict.fromkeys(waiting.delivery.account_id for waiting in batch):
            errors[account_id] = self._try([each for each in batch if each.delivery.account_id == account_id])
            if isinstance(errors[account_id], DatabaseConflict):
                self._locked_until[account_id] = time.monotonic() + _LOCKED_SECONDS
            else:
                self._locked_until.pop(account_id, None)
        return [errors[waiting.delivery.account_id] for waiting in batch]

    def _try(self, batch: list[_Waiting]) -> Exception | None:
        try:
            self._store(batch)
        except Exception as error:  # noqa: BLE001 (each waiting request must get it, whatever it is)
            return error
        return None

    def _store(self, batch: list[_Waiting]) -> None:
        stored = self._accept([(waiting.delivery, waiting.request_id) for waiting in batch])
        self.commits += 1
        self.stored += stored
        self.repeated += len(batch) - stored

    def _end_commit(
        self, batch: list[_Waiting], results: list[Exception | None], loop: asyncio.AbstractEventLoop
    ) -> None:
        for waiting, error in zip(batch, results, strict=True):
            if waiting.done.done():  # its client has disconnected, or it has timed out
                continue
            if error is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(error)
        self._start_commit(loop)


def _take_batch(waiting: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """Split off the next batch, which holds each object at most once; the others keep their order."""
    batch: list[_Waiting] = []
    later: list[_Waiting] = []
    objects: set[tuple[int, str, int | None]] = set()
    size = 0
    for entry in waiting:
        is_full = len(batch) >= _MOST_PER_COMMIT or (batch and size + entry.size > _MOST_BYTES_PER_COMMIT)
        if is_full or (entry.delivery.object_id is not None and entry.key in objects):
            later.append(entry)
        else:
            batch.append(entry)
            size += entry.size
        objects.add(entry.key)
    return batch, later
