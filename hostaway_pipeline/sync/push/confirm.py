"""What a payload cannot settle is read from Hostaway by id: per account, several objects at a time, beside the drainer.

One account's slow or failing API holds up nobody else; what failed stays in the inbox. How a batch is read and applied:
confirm_batch.py.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.apply import Applied, Confirmation
from hostaway_pipeline.sync.push.confirm_batch import confirm_batch

# So many accounts at once. One that has been read for so long does not count any more: an API that hangs is waited for
# beside the others, not before them.
_ACCOUNTS_AT_ONCE, _SLOW_SECONDS, _MOST_ACCOUNTS = 4, 2.0, 64
# So many at a time, so that what was read is soon visible.
_BATCH = 100
# An aborted read ends at once; writing down what had been read may take a moment.
_ABORT_SECONDS = 3.0


@dataclass(slots=True)
class _Batch:
    future: Future[Applied]
    began_at: float


class Confirmer:
    """Used from one thread. `stop` ends it: within seconds, whatever Hostaway does."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(_MOST_ACCOUNTS, "confirmation")
        self._waiting: dict[int, dict[tuple[str, int], Confirmation]] = {}
        self._under_way: dict[int, _Batch] = {}
        self._unreadable: set[tuple[int, int]] = set()  # listings that reservations name and Hostaway does not show
        self._clients: set[HostawayClient] = set()
        self._clients_lock = threading.Lock()
        self._is_stopped = False

    @property
    def is_busy(self) -> bool:
        return bool(self._under_way or self._waiting)

    def add(self, account_id: int, confirmations: Iterable[Confirmation]) -> None:
        """Reads of one object are one read, whatever number of events asks for it."""
        queue = self._waiting.setdefault(account_id, {})
        for confirmation in confirmations:
            if not confirmation.all_ids and (account_id, confirmation.object_id) in self._unreadable:
                continue
            earlier = queue.get(confirmation.key)
            queue[confirmation.key] = confirmation if earlier is None else earlier.joined(confirmation)
        if not queue:
            del self._waiting[account_id]
        self._start()

    def collect(self, seconds: float = 0) -> list[Applied]:
        """What has ended by now, or within so many seconds."""
        if self._under_way:
            futures = [batch.future for batch in self._under_way.values()]
            wait(futures, timeout=seconds, return_when=FIRST_COMPLETED)
        done = [account_id for account_id, batch in self._under_way.items() if batch.future.done()]
        ended = [self._under_way.pop(account_id).future.result() for account_id in done]
        self._start()
        return ended

    def stop(self, seconds: float) -> Iterator[Applied]:
        """Begin nothing more; what is under way may end within so many seconds, and is aborted then."""
        self._is_stopped = True
        yield from self._collect_until(time.monotonic() + seconds)
        with self._clients_lock:
            clients = list(self._clients)
        for client in clients:
            client.abort()
        yield from self._collect_until(time.monotonic() + _ABORT_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _collect_until(self, deadline: float) -> Iterator[Applied]:
        while self._under_way and (left := deadline - time.monotonic()) > 0:
            yield from self.collect(left)

    def _start(self) -> None:
        for account_id in [one for one in self._waiting if one not in self._under_way]:
            if self._is_stopped or not self._has_room():
                return
            queue = self._waiting.pop(account_id)
            batch = [queue.pop(key) for key in list(queue)[:_BATCH]]
            if queue:
                self._waiting[account_id] = queue
            future = self._pool.submit(confirm_batch, self._services, account_id, batch, self._client, self._unreadable)
            self._under_way[account_id] = _Batch(future, time.monotonic())

    def _has_room(self) -> bool:
        young = [one for one in self._under_way.values() if one.began_at > time.monotonic() - _SLOW_SECONDS]
        return len(young) < _ACCOUNTS_AT_ONCE and len(self._under_way) < _MOST_ACCOUNTS

    @contextmanager
    def _client(self, account_id: int, *, is_probe: bool = False) -> Iterator[HostawayClient]:
        """In a thread of the pool: a client that `stop` can abort."""
        with self._services.interactive_client(account_id, is_probe=is_probe) as client:
            with self._clients_lock:
                self._clients.add(client)
                if self._is_stopped:
                    client.abort()
            try:
                yield client
            finally:
                with self._clients_lock:
                    self._clients.discard(client)
