"""Drain: one worker that applies what is in the inbox, for as long as there is work and a little longer."""

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
# What was applied is told at most so often per account: telling costs more than applying.
_TELL_SECONDS = 1.0
_FLUSH_SECONDS = 5.0
# What is being read when the time is over may end so soon; the rest is given back for the next drainer.
_LAST_READS_SECONDS = 2.0

Tell = Callable[[Applied], None]


@dataclass(slots=True)
class Drained:
    """`is_alone` False: another drainer was at work, and nothing was done."""

    batches: int = 0
    events: int = 0
    is_alone: bool = True


def drain(services: Services, tell: Tell, *, linger: float = 30.0, lifetime: float = 300.0) -> Drained:
    """Apply pending events until none came for `linger` seconds, or `lifetime` is over; `tell` hears of each account.

    Raises DatabaseUnavailable. What it still holds at its end it gives back, within seconds; what it had claimed when
    it was killed, the next one takes up.
    """
    with services.drainer_lock() as is_alone:
        if not is_alone:
            return Drained(is_alone=False)
        services.inbox.release(has_died=True)
        return _Drainer(services, tell).run(linger, lifetime)


class _Drainer:
    def __init__(self, services: Services, tell: Tell) -> None:
        self._services = services
        self._tell = tell
        self._confirmer = Confirmer(services)
        self._drained = Drained()
        self._untold: dict[int, Applied] = {}
        self._told_at = self._flushed_at = time.monotonic()

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
            self._leave()
        return self._drained

    def _step(self) -> bool:
        """Whether there was anything to do. An event that has failed before is worked on alone."""
        number = self._apply(_BATCH, has_failed=False) + self._apply(1, has_failed=True)
        ended = self._confirmer.collect(0 if number else _POLL_SECONDS)
        for applied in ended:
            self._note(applied)
        now = time.monotonic()
        if now - self._told_at > _TELL_SECONDS:
            self._tell_all()
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

    def _leave(self) -> None:
        """Whatever ended the work: what is read ends or is given back, and what was applied is told."""
        try:
            for applied in self._confirmer.stop(_LAST_READS_SECONDS):
                self._note(applied)
            with suppress(DatabaseUnavailable):  # then the next drainer gives it back
                self._services.inbox.release(has_died=False)
        finally:
            self._tell_all()

    def _note(self, applied: Applied) -> None:
        for entity, counts in applied.counts.items():
            self._services.telemetry.record_counts("push", entity, counts)
        earlier = self._untold.get(applied.account_id)
        self._untold[applied.account_id] = applied if earlier is None else earlier.joined(applied)

    def _tell_all(self) -> None:
        untold, self._untold = self._untold, {}
        for applied in untold.values():
            self._tell(applied)
        self._told_at = time.monotonic()
