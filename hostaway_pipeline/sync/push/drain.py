"""Drains the inbox: one worker applies pending events until none have arrived for a while."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.push.apply import Applied, apply_events
from hostaway_pipeline.sync.push.confirm import Confirmer

_BATCH = 500
_POLL_SECONDS = 0.1
# Minimum between two reports of one account: reporting costs more than applying.
_REPORT_SECONDS = 1.0
_FLUSH_SECONDS = 5.0
# At the end of its lifetime, reads under way may take this long; the rest is released for the next drainer.
_LAST_READS_SECONDS = 2.0

ReportApplied = Callable[[Applied], None]


@dataclass(slots=True)
class Drained:
    """What a drainer did. `is_alone` is False when another one was at work: then nothing was done."""

    batches: int = 0
    events: int = 0
    is_alone: bool = True


def drain(
    services: Services, report: ReportApplied, *, linger: float = 30.0, lifetime: float = 300.0, wait: float = 0.0
) -> Drained:
    """Apply pending events until none arrived for `linger` seconds or `lifetime` is over; `report` each account's.

    `wait`: seconds that another drainer may take to end.

    Raises DatabaseUnavailable. Events still claimed at the end are released within seconds; those of a drainer that was
    killed, the next one releases.
    """
    with services.drainer_lock(wait) as is_alone:
        if not is_alone:
            return Drained(is_alone=False)
        services.inbox.release(has_died=True)
        return _Drainer(services, report).run(linger, lifetime)


class _Drainer:
    def __init__(self, services: Services, report: ReportApplied) -> None:
        self._services = services
        self._report = report
        self._confirmer = Confirmer(services)
        self._drained = Drained()
        self._unreported: dict[int, Applied] = {}
        self._reported_at = self._flushed_at = time.monotonic()

    def run(self, linger: float, lifetime: float) -> Drained:
        began = busy_at = now = time.monotonic()
        try:
            while now - began < lifetime:
                if self._step():
                    busy_at = time.monotonic()
                elif now - busy_at > linger:
                    break
                else:
                    time.sleep(_POLL_SECONDS)
                now = time.monotonic()
        finally:
            self._finish()
        return self._drained

    def _step(self) -> bool:
        """Do one round; returns whether there was work. An event that has failed before is applied alone."""
        number = self._apply(_BATCH, has_failed=False) + self._apply(1, has_failed=True)
        ended = self._confirmer.collect(0 if number else _POLL_SECONDS)
        for applied in ended:
            self._note(applied)
        now = time.monotonic()
        if now - self._reported_at > _REPORT_SECONDS:
            self._report_all()
        if now - self._flushed_at > _FLUSH_SECONDS:
            self._services.telemetry.flush()
            self._flushed_at = now
        return bool(number or ended or self._confirmer.is_busy)

    def _apply(self, most: int, *, has_failed: bool) -> int:
        events = self._services.inbox.claim(most, has_failed=has_failed)
        for applied in apply_events(self._services, events):
            self._note(applied)
            self._confirmer.add(applied.account_id, applied.confirmations)
        if events:
            self._drained.batches += 1
            self._drained.events += len(events)
        return len(events)

    def _finish(self) -> None:
        """Whatever ended the work, let reads end, release what is still claimed, and report what was applied."""
        try:
            for applied in self._confirmer.stop(_LAST_READS_SECONDS):
                self._note(applied)
            with suppress(DatabaseUnavailable):  # then the next drainer releases it
                self._services.inbox.release(has_died=False)
        finally:
            self._report_all()

    def _note(self, applied: Applied) -> None:
        for entity, counts in applied.counts.items():
            self._services.telemetry.record_counts("push", entity, counts)
        earlier = self._unreported.get(applied.account_id)
        self._unreported[applied.account_id] = applied if earlier is None else earlier.joined(applied)

    def _report_all(self) -> None:
        unreported, self._unreported = self._unreported, {}
        for applied in unreported.values():
            self._report(applied)
        self._reported_at = time.monotonic()
