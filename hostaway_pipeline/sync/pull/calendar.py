"""Reads the calendars of an account's listings, several at a time, and stores their days as they come.

One call per listing. Only where stored days are missing from the answer, a second one: a day is deleted once two
complete answers lack it.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import calendar_of
from hostaway_pipeline.domain.calendar import CALENDAR, Days, days_of, plan_deletions, span
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.errors import ObjectRefused, RateLimited, TransientApiError
from hostaway_pipeline.store.copy.calendar import WrittenDays
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.sweeps import SweepRecord
from hostaway_pipeline.sync.pull.progress import Progress
from hostaway_pipeline.sync.pull.side_by_side import side_by_side
from hostaway_pipeline.sync.pull.sweep import Outcome

# After this many listings in a row without an answer, a probe tells whether the API is down.
_MAX_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """One listing's days as read; `problem` says why they are missing or incomplete."""

    listing_id: int
    days: Days = field(default_factory=Days)
    asked_at: datetime | None = None
    problem: str | None = None
    failure: TransientApiError | None = None  # the listing's own, or the API's

    @property
    def is_read(self) -> bool:
        return self.asked_at is not None


class CalendarReader:
    """Reads calendars. `max_delete_share`: of a listing's stored days, how many may be deleted; 1: any number."""

    def __init__(
        self,
        client: HostawayClient,
        writer: PullWriter,
        pool: Executor,
        progress: Progress,
        *,
        max_delete_share: float,
    ) -> None:
        self._client = client
        self._writer = writer
        self._pool = pool
        self._progress = progress
        self._max_share = max_delete_share
        self._span = (date.min, date.min)
        self._counts = Counts()
        self._problems: dict[int, str] = {}  # by listing
        self._held_back = 0
        self._held_back_reason: str | None = None
        self._failures = 0  # listings without an answer, in a row

    def run(self) -> Outcome:
        """Read and store the calendar of every listing that is for sale. Raises an ApiError when the API is down."""
        started_at = self._writer.database_time()
        self._span = span(started_at.astimezone(UTC).date())
        listings = self._writer.listings_to_ask()
        self._progress.expect(CALENDAR, len(listings))
        again: dict[int, tuple[Answer, WrittenDays]] = {}
        for answer in self._read_all(listings):
            if answer.is_read:
                written = self._write(answer)
                if written.missing and answer.days.is_whole:
                    again[answer.listing_id] = answer, written
            self._progress.advance(CALENDAR, 1)
        for answer in self._read_all(again):
            if answer.is_read:
                self._delete(*again[answer.listing_id], answer)
        return Outcome(CALENDAR, self._counts, self._record(started_at))

    def _read_all(self, listings: Iterable[int]) -> Iterator[Answer]:
        read = partial(read_calendar, self._client, span=self._span)
        for answers in side_by_side(self._pool, read, listings, at_once=self._client.concurrency):
            for answer in answers:
                self._note(answer)
                yield answer

    def _note(self, answer: Answer) -> None:
        """Record a problem, and count failures in a row; after a few, probe. Raises when the probe fails, too."""
        if answer.problem is not None:
            self._problems[answer.listing_id] = answer.problem
        self._failures = self._failures + 1 if answer.failure else 0
        if self._failures >= _MAX_FAILURES:
            self._client.probe()
            self._failures = 0

    def _write(self, answer: Answer) -> WrittenDays:
        written = self._writer.write_days(answer.listing_id, answer.days, self._span, read_at=answer.asked_at)
        self._counts += written.counts
        return written

    def _delete(self, first: Answer, written: WrittenDays, second: Answer) -> None:
        """Delete what is missing twice; what changed between the two answers is stored, too."""
        gone = plan_deletions(
            written.missing, first.days, second.days, stored=written.stored, max_share=self._max_share
        )
        self._held_back += gone.held_back
        if gone.reason is not None:
            self._held_back_reason = f"listing {second.listing_id}: {gone.reason}"
        days = Days() if self._writer.dry_run else second.days  # a dry run has counted the days already
        counts = self._writer.write_days(
            second.listing_id, days, self._span, gone=gone.days, read_at=second.asked_at
        ).counts
        self._counts += replace(counts, fetched=0, unchanged=0)

    def _record(self, started_at: datetime) -> SweepRecord:
        reasons = []
        if self._problems:
            first = next(iter(self._problems.values()))
            reasons.append(f"{len(self._problems)} calendars could not be read completely ({first})")
        if self._held_back:
            reasons.append(f"{self._held_back} days were held back ({self._held_back_reason})")
        return SweepRecord(
            entity=CALENDAR,
            started_at=started_at,
            is_complete=not self._problems,
            server_count=None,
            seen_count=self._counts.fetched,
            held_back=self._held_back,
            reason="; ".join(reasons) or None,
        )


def read_calendar(client: HostawayClient, listing_id: int, *, span: tuple[date, date]) -> Answer:
    """Raises InvalidCredentials and RateLimited; any other failure is in the answer."""
    path, days_asked = calendar_of(listing_id, *span)
    try:
        page = client.page(path, days_asked)
    except RateLimited:
        raise
    except ObjectRefused as error:
        return Answer(listing_id, problem=str(error))
    except TransientApiError as error:
        return Answer(listing_id, problem=str(error), failure=error)
    received = len(page.rows) + page.dropped
    expected = max(received, page.count or 0)
    days = days_of(page.rows, expected=expected)
    problem = None if days.is_whole else f"{path}: only {len(days.values)} of {expected} days can be read"
    return Answer(listing_id, days, page.read_at, problem)
