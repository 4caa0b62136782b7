"""Syncs accounts that are due, the most urgent first: what a sweeper run does, and how it shares them with others.

Each account is claimed for as long as its sync lasts. A run that dies loses its claims within a minute; one that ends
in good order gives them back at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue

from hostaway_pipeline.domain.cadences import sync_of
from hostaway_pipeline.errors import Aborted, DatabaseUnavailable, SyncInProgress, TransientApiError
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.cadences import LEASE, Claim
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.run import AT_ONCE, pull_or_report
from hostaway_pipeline.sync.trails import read_trails

_POLL_SECONDS = 2.0
# After a failure, until the circuit breaker takes over; while somebody else syncs the account; while a list that
# cannot be trusted, such as one that lacks most rows, needs a person or another hour.
_AFTER_FAILURE, _AFTER_BUSY, _AFTER_INCOMPLETE = timedelta(minutes=1), timedelta(seconds=30), timedelta(hours=1)
# So many transient failures in a row, with no success between them, are Hostaway's: the next run tries again.
_AWAY_AFTER = 2 * AT_ONCE


@dataclass(frozen=True, slots=True)
class Synced:
    """One claimed account and how its sync ended."""

    claim: Claim
    report: Report


class DueAccounts:
    """Iterate over it: it syncs, AT_ONCE accounts at a time, and yields each as it ends.

    `mode`: whose due accounts are claimed, besides those that were requested; `requested` claims only these.
    `lifetime`: seconds after which nothing more is claimed. `linger`: seconds without a due account after which it
    ends earlier. Ends early, too, when Hostaway is away: see `is_away`. `on_pause`: called in the caller's thread
    whenever no sync has ended for half a second.

    Raises DatabaseUnavailable. An interrupt, or a caller that stops iterating, aborts the services.
    """

    def __init__(
        self,
        services: Services,
        mode: str,
        run_id: str,
        *,
        lifetime: float,
        linger: float,
        on_pause: Callable[[], object] = lambda: None,
    ) -> None:
        self._services = services
        self._on_pause = on_pause
        self._mode, self._run_id = mode, run_id
        self._ends_at = time.monotonic() + lifetime
        self._linger = linger
        self._busy_at = time.monotonic()
        self._done: SimpleQueue[Synced] = SimpleQueue()
        self._failures = 0
        self._lock = threading.Lock()

    @property
    def is_away(self) -> bool:
        """Whether the last accounts have all failed by a failure that is not their own."""
        return self._failures >= _AWAY_AFTER

    def __iter__(self) -> Iterator[Synced]:
        with ThreadPoolExecutor(AT_ONCE, "account") as pool:
            # An interrupt may come at any moment: inside the pool's block, whose end waits for its threads, nothing
            # may happen without the abort.
            try:
                workers = [pool.submit(self._work) for _ in range(AT_ONCE)]
                extended_at = time.monotonic()
                while not all(worker.done() for worker in workers) or not self._done.empty():
                    try:
                        yield self._done.get(timeout=0.5)
                    except Empty:
                        self._on_pause()
                    if time.monotonic() - extended_at > LEASE.total_seconds() / 4:
                        self._services.cadences.extend(self._run_id)
                        extended_at = time.monotonic()
                for worker in workers:
                    worker.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._services.abort()
                raise
            finally:
                with suppress(DatabaseUnavailable):  # then the leases end by themselves
                    self._services.cadences.give_back([self._run_id])

    def _work(self) -> None:
        """Claim and sync one account after the other. Ends when nothing is due any more, or the run's time is up."""
        with suppress(Aborted):
            while time.monotonic() < self._ends_at and not self.is_away:
                claim = self._services.cadences.claim(self._mode, self._run_id)
                if claim is not None:
                    self._sync(claim)
                    self._busy_at = time.monotonic()
                elif time.monotonic() - self._busy_at >= self._linger:
                    return
                else:
                    self._services.sleep(min(_POLL_SECONDS, self._linger))

    def _sync(self, claim: Claim) -> None:
        report, again_in = self._work_on(claim)
        self._services.cadences.release(claim, self._run_id, again_in=again_in)
        with self._lock:
            self._failures = self._failures + 1 if isinstance(report.error, TransientApiError) else 0
        self._done.put(Synced(claim, report))

    def _work_on(self, claim: Claim) -> tuple[Report, timedelta]:
        """Returns the report, and how long the account is not claimed again in this mode."""
        if claim.mode == "trails":
            return read_trails(self._services, claim.account_id)
        mode, entities = sync_of(claim.mode)
        request = PullRequest(
            claim.account_id,
            mode=mode,
            entities=entities,
            source="dagster",
            dagster_run_id=self._run_id,
            respect_pause=True,
        )
        report = pull_or_report(self._services, request)
        return report, _wait_after(report)


def _wait_after(report: Report) -> timedelta:
    """How long the account is not claimed again in this mode, unless it has succeeded and is not due anyway."""
    if report.status == "incomplete":
        return _AFTER_INCOMPLETE
    if isinstance(report.error, SyncInProgress):
        return _AFTER_BUSY
    if report.error is None or isinstance(report.error, Aborted):
        return timedelta(0)
    return _AFTER_FAILURE
