"""Drain: one worker that applies what is in the inbox, for as long as there is work and a little longer."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from hostaway_pipeline.sync.apply import Applied, apply_events
from hostaway_pipeline.sync.ports import Services
from hostaway_pipeline.sync.rereads import Rereads

_BATCH = 500
_POLL_SECONDS = 0.1
# What was applied is told at most so often per account: telling costs more than applying.
_TELL_SECONDS = 1.0
_FLUSH_SECONDS = 5.0
# What is being read when the time is over may end, within reason.
_LAST_READS_SECONDS = 60.0

Tell = Callable[[Applied], None]


@dataclass(slots=True)
class Drained:
    """`is_alone` False: another drainer was at work, and nothing was done."""

    batches: int = 0
    events: int = 0
    is_alone: bool = True


def drain(services: Services, tell: Tell, *, linger: float = 30.0, lifetime: float = 300.0) -> Drained:
    """Apply pending events until none came for `linger` seconds, or `lifetime` is over; `tell` hears of each account.

    Raises DatabaseUnavailable. What a drainer had claimed when it was killed, the next one takes up.
    """
    with services.drainer_lock() as is_alone:
        if not is_alone:
            return Drained(is_alone=False)
        services.inbox.release()
        return _Drainer(services, tell).run(linger, lifetime)


class _Drainer:
    def __init__(self, services: Services, tell: Tell) -> None:
        self._services = services
        self._tell = tell
        self._drained = Drained()
        self._untold: dict[int, Applied] = {}
        self._told_at = self._flushed_at = time.monotonic()

    def run(self, linger: float, lifetime: float) -> Drained:
        began = busy_at = time.monotonic()
        with Rereads(self._services) as rereads:
            try:
                while True:
                    now = time.monotonic()
                    if self._step(rereads):
                        busy_at = time.monotonic()
                    elif now - busy_at > linger or now - began > lifetime:
                        break
                    else:
                        time.sleep(_POLL_SECONDS)
                    if now - began > lifetime:
                        break
                self._end(rereads)
            finally:
                self._tell_all()
        return self._drained

    def _step(self, rereads: Rereads) -> bool:
        """Whether there was anything to do."""
        events = self._services.inbox.claim(_BATCH)
        for applied in apply_events(self._services, events):
            self._note(applied)
            rereads.add(applied.account_id, applied.rereads)
        ended = rereads.collect(0 if events else _POLL_SECONDS)
        for applied in ended:
            self._note(applied)
        if events:
            self._drained.batches += 1
            self._drained.events += len(events)
        now = time.monotonic()
        if now - self._told_at > _TELL_SECONDS:
            self._tell_all()
        if now - self._flushed_at > _FLUSH_SECONDS:
            self._services.telemetry.flush()
            self._flushed_at = now
        return bool(events or ended or rereads.is_busy)

    def _end(self, rereads: Rereads) -> None:
        deadline = time.monotonic() + _LAST_READS_SECONDS
        while rereads.is_busy and time.monotonic() < deadline:
            for applied in rereads.collect(_POLL_SECONDS):
                self._note(applied)

    def _note(self, applied: Applied) -> None:
        for entity, counts in applied.counts.items():
            self._services.telemetry.records_synced("push", entity, counts)
        earlier = self._untold.get(applied.account_id)
        self._untold[applied.account_id] = applied if earlier is None else earlier.joined(applied)

    def _tell_all(self) -> None:
        untold, self._untold = self._untold, {}
        for applied in untold.values():
            self._tell(applied)
        self._told_at = time.monotonic()
