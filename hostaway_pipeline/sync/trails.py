"""Reads the audit trails of reservations, in the background: what they were before we copied them.

One call per reservation, once, the latest stays first, with spare slots of the rate limit only. Each `read_trails` is
short, so that the account is soon free for its syncs, and the next one goes on where it ended.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import NamedTuple

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import trail_path
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.trail_entries import TRAILS, Trail, read_trail
from hostaway_pipeline.domain.trail_sample import count_differing
from hostaway_pipeline.errors import (
    Aborted,
    ApiError,
    InvalidCredentials,
    ObjectRefused,
    PipelineError,
    RateLimited,
    UnexpectedError,
)
from hostaway_pipeline.services import ONE_ATTEMPT, Services
from hostaway_pipeline.store.history import History, TrailAnswer
from hostaway_pipeline.sync.pull.request import Report
from hostaway_pipeline.sync.pull.side_by_side import side_by_side

# After a slice, so that a sync of the account that waits gets its turn; while Hostaway has a problem; while it refuses.
_PAUSE, _AFTER_PROBLEM, _AFTER_REFUSALS = timedelta(seconds=5), timedelta(hours=1), timedelta(days=1)
# Calls of one account at a time: with more, trails would only wait for slots together.
_AT_ONCE = 4
_SLICE_SECONDS = 20.0
_MOST = 1000
# Reservations that have moved and are compared with their trails, once a day.
_SAMPLE = 3
# So many failures in a row mean that Hostaway gives no trails at present, rather than not these.
_MOST_FAILURES = 5


class TrailsRead(NamedTuple):
    """`again_in`: when the account's next trails may be read, if some are left."""

    report: Report
    again_in: timedelta


def read_trails(services: Services, account_id: int, *, seconds: float = _SLICE_SECONDS) -> TrailsRead:
    """Read trails of one account for some seconds. Errors are in the report; none of them stops the account's syncs.

    The report's status `incomplete`: Hostaway gives no trails at present.
    """
    started = time.monotonic()
    report, again_in = Report(account_id), _AFTER_PROBLEM
    try:
        report.account_name = services.accounts.get(account_id).name
        share = services.settings.trails_share
        with services.client(account_id, ONE_ATTEMPT, share=share, is_spare=True) as client:
            reading = _Slice(client, History(services.database), seconds)
            try:
                reading.run()
                if reading.left == 0:
                    reading.compare_sample()
            finally:
                report.add_calls(client.stats)
                reading.record(report)
        again_in = reading.again_in
        if reading.left == 0:
            services.cadences.record_success(account_id, ["trails"], reading.started_at)
    except Aborted as error:
        report.status, report.error = "interrupted", error
    except PipelineError as error:
        report.status, report.error = "failed", error
    except Exception as error:  # noqa: BLE001 (any mistake is reported with its account)
        report.status, report.error = "failed", UnexpectedError.of(error)
    report.seconds = round(time.monotonic() - started, 3)
    return TrailsRead(report, again_in)


class _Slice:
    """Reads for some seconds. `left`: trails that are still to be read."""

    def __init__(self, client: HostawayClient, history: History, seconds: float) -> None:
        self._client = client
        self._history = history
        self._ends_at = time.monotonic() + seconds
        self._unread: list[TrailAnswer] = []  # in a row, the newest ones
        self._counts = Counts()
        self._problem: str | None = None
        self.again_in = _PAUSE
        self.started_at = history.now()
        self.left = 0

    def run(self) -> None:
        ids, self.left = self._history.trails_to_read(self._client.account_id, _MOST)
        with ThreadPoolExecutor(_AT_ONCE, "trail") as pool, self._client.abort_on_error():
            ask = partial(_ask, self._client, asked_at=self.started_at)
            for asked in side_by_side(pool, ask, self._in_time(ids), at_once=_AT_ONCE):
                self._store(asked)
        self._write(self._unread)

    def compare_sample(self) -> None:
        """Compare what we saw of a few reservations with their trails: see the asset check `trails_agree`."""
        differing, compared = [], 0
        moved = self._history.moved(self._client.account_id, _SAMPLE)
        for reservation in moved:
            answer, error = _ask(self._client, reservation.reservation_id, asked_at=self.started_at)
            if error is None and answer.trail is not None:
                found = count_differing(answer.trail, reservation.present, reservation.seen, reservation.updated_at)
                compared += found is not None
                differing += [reservation.reservation_id] if found else []
        if moved:
            self._history.record_sample(self._client.account_id, self.started_at, compared, differing)

    def record(self, report: Report) -> None:
        """Store the progress, and report it."""
        account_id = self._client.account_id
        record = self._history.record_progress(account_id, self.started_at, self.left, self._problem)
        report.entities[TRAILS], report.sweeps[TRAILS] = self._counts, record
        report.trails_left = self.left
        report.status = "incomplete" if self._problem else "succeeded"

    def _in_time(self, ids: Iterable[int]) -> Iterator[int]:
        return takewhile(lambda _: self._problem is None and time.monotonic() < self._ends_at, ids)

    def _store(self, asked: Sequence[tuple[TrailAnswer, ApiError | None]]) -> None:
        arrived = [answer for answer, error in asked if error is None]
        if arrived:
            self._write([*self._unread, *arrived])
            self._unread = []
        for answer, error in asked:
            if isinstance(error, RateLimited):
                self._problem, self.again_in = str(error), _PAUSE  # the slots of the next slice wait for its end
            elif error is not None:
                self._unread.append(answer)
                if len(self._unread) >= _MOST_FAILURES:
                    self._give_up(error)

    def _give_up(self, error: ApiError) -> None:
        """Hostaway gives no trails: those that were asked for come last the next time."""
        self._problem = str(error)
        self.again_in = _AFTER_REFUSALS if isinstance(error, ObjectRefused) else _AFTER_PROBLEM
        self._unread = [answer._replace(trail=None) for answer in self._unread]

    def _write(self, answers: Sequence[TrailAnswer]) -> None:
        if answers:
            versions = self._history.write_trails(self._client.account_id, answers)
            self._counts += Counts(fetched=len(answers), inserted=versions)
            self.left = max(0, self.left - len(answers))


def _ask(client: HostawayClient, reservation_id: int, *, asked_at: datetime) -> tuple[TrailAnswer, ApiError | None]:
    """Raises what does not concern this reservation alone. A reservation that Hostaway refuses has no trail."""
    try:
        page = client.page(trail_path(reservation_id), {})
    except (Aborted, InvalidCredentials):
        raise
    except ApiError as error:
        trail = Trail() if isinstance(error, ObjectRefused) else None
        return TrailAnswer(reservation_id, trail, asked_at), error
    trail = read_trail([*page.rows, *[None] * page.dropped])
    return TrailAnswer(reservation_id, trail, page.read_at or asked_at), None
