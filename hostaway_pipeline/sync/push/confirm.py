"""Confirms objects: reads from Hostaway by id what a payload leaves ambiguous, per account, next to the drainer.

An account whose API is slow or failing delays no other; events that fail stay in the inbox. confirm_batch.py reads and
applies one batch.
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

# Accounts read at once. A batch that has run for _SLOW_SECONDS no longer counts, so that an API that hangs does not
# hold up the others; _MAX_ACCOUNTS bounds them all.
_ACCOUNTS_AT_ONCE, _SLOW_SECONDS, _MAX_ACCOUNTS = 4, 2.0, 64
# Objects per batch: few enough that what was read is visible soon.
_BATCH = 100
# An aborted read ends at once; storing what had been read may take a moment.
_ABORT_SECONDS = 3.0


@dataclass(slots=True)
class _RunningBatch:
    future: Future[Applied]
    began_at: float


class Confirmer:
    """Used from one thread. `stop` ends it within seconds, whatever Hostaway does."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(_MAX_ACCOUNTS, "confirmation")
        self._waiting: dict[int, dict[tuple[str, int], Confirmation]] = {}
        self._running: dict[int, _RunningBatch] = {}
        self._unreadable: set[tuple[int, int]] = set()  # listings that reservations name and Hostaway does not show
        self._clients: set[HostawayClient] = set()
        self._clients_lock = threading.Lock()
        self._is_stopped = False

    @property
    def is_busy(self) -> bool:
        return bool(self._running or self._waiting)

    def add(self, account_id: int, confirmations: Iterable[Confirmation]) -> None:
        """Queue objects. Confirmations of the same object share one read."""
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
        """Results of the batches that have ended, waiting up to `seconds` for the first."""
        if self._running:
            futures = [batch.future for batch in self._running.values()]
            wait(futures, timeout=seconds, return_when=FIRST_COMPLETED)
        done = [account_id for account_id, batch in self._running.items() if batch.future.done()]
        ended = [self._running.pop(account_id).future.result() for account_id in done]
        for applied in ended:
            self._unreadable |= {(applied.account_id, listing_id) for listing_id in applied.unreadable_listings}
        self._start()
        return ended

    def stop(self, seconds: float) -> Iterator[Applied]:
        """Start no more batches; let running ones end within `seconds`, then abort them."""
        self._is_stopped = True
        yield from self._collect_until(time.monotonic() + seconds)
        with self._clients_lock:
            clients = list(self._clients)
        for client in clients:
            client.abort()
        yield from self._collect_until(time.monotonic() + _ABORT_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _collect_until(self, deadline: float) -> Iterator[Applied]:
        while self._running and (left := deadline - time.monotonic()) > 0:
            yield from self.collect(left)

    def _start(self) -> None:
        for account_id in [account_id for account_id in self._waiting if account_id not in self._running]:
            if self._is_stopped or not self._has_room():
                return
            queue = self._waiting.pop(account_id)
            batch = [queue.pop(key) for key in list(queue)[:_BATCH]]
            if queue:
                self._waiting[account_id] = queue
            future = self._pool.submit(confirm_batch, self._services, account_id, batch, self._client)
            self._running[account_id] = _RunningBatch(future, time.monotonic())

    def _has_room(self) -> bool:
        young = [batch for batch in self._running.values() if batch.began_at > time.monotonic() - _SLOW_SECONDS]
        return len(young) < _ACCOUNTS_AT_ONCE and len(self._running) < _MAX_ACCOUNTS

    @contextmanager
    def _client(self, account_id: int, *, is_probe: bool = False) -> Iterator[HostawayClient]:
        """A client that `stop` can abort. Called in the pool's threads."""
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
