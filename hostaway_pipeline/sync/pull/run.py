"""Pull: one account's lists and messages from the API into the tables, under the account's lock."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import structlog

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.domain.breaker import pause_after
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES, LISTINGS, MESSAGES, RESERVATIONS
from hostaway_pipeline.errors import (
    Aborted,
    ApiError,
    DatabaseUnavailable,
    PermanentApiError,
    PipelineError,
    UnexpectedError,
)
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.sweeps import SweepRecord
from hostaway_pipeline.store.sync_runs import StartedRun
from hostaway_pipeline.sync.pull.messages import MessageReader
from hostaway_pipeline.sync.pull.newest import read_newest
from hostaway_pipeline.sync.pull.progress import Progress, Silent
from hostaway_pipeline.sync.pull.sweep import Outcome, Sweep
from hostaway_pipeline.sync.pull.undelivered import recover_undelivered
from hostaway_pipeline.sync.registration import ensure_webhook, receiver_url

# full: every list and every conversation's messages · reconcile: every list, and the messages of conversations that
# moved, plus a daily share of the others · refresh: what changed at the head, without looking for deletions
Mode = Literal["full", "reconcile", "refresh"]
_LISTS = (LISTINGS, RESERVATIONS, CONVERSATIONS)
log = structlog.get_logger(__name__)
_PROBE = RetryPolicy(attempts=1, attempts_when_limited=1)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What to sync and how. `max_delete_share` 1 means that any number of rows may be marked as deleted.

    `respect_pause`: do not even try an account that its circuit breaker has paused; a person who asks may.
    """

    account_id: int
    max_delete_share: float
    mode: Mode = "full"
    reread_share: float = 0.0
    entities: tuple[str, ...] = tuple(ENTITIES)
    source: str = "cli"
    dagster_run_id: str | None = None
    dry_run: bool = False
    wait_seconds: float = 0
    respect_pause: bool = False


@dataclass(slots=True)
class Report:
    """`status` is succeeded, incomplete (a list could not be trusted: see `problems`) or failed (see `error`)."""

    account_id: int
    status: str = "running"
    seconds: float = 0.0
    api_calls: int = 0
    http_429: int = 0
    entities: dict[str, Counts] = field(default_factory=dict)
    sweeps: dict[str, SweepRecord] = field(default_factory=dict)
    error: PipelineError | None = None

    @property
    def problems(self) -> dict[str, str]:
        return {name: sweep.reason for name, sweep in self.sweeps.items() if sweep.reason is not None}

    def add(self, outcome: Outcome) -> None:
        self.entities[outcome.entity] = outcome.counts
        if outcome.gone_conversations:
            conversations = self.entities.get(CONVERSATIONS.name, Counts())
            self.entities[CONVERSATIONS.name] = conversations + Counts(deleted=outcome.gone_conversations)
        if outcome.record is not None:
            self.sweeps[outcome.entity] = outcome.record


def pull(services: Services, request: PullRequest, progress: Progress | None = None) -> Report:
    """Sync one account and say what happened; what was merged before a failure stays and is not read again.

    Raises AccountError for an account that is unknown or paused, SyncInProgress when its lock is taken,
    DatabaseUnavailable when even the start cannot be recorded. Any later PipelineError ends up in the report.
    """
    started = time.monotonic()
    account = services.accounts.get(request.account_id)
    if request.respect_pause:
        account.require_unpaused(datetime.now(UTC))
    report = Report(account.account_id)
    with (
        services.account_lock(account.account_id, request.wait_seconds),
        services.client(account.account_id) as client,
    ):
        run = _started(services, request)
        tables = services.pull_writer(account, dry_run=request.dry_run, run_id=run.id)
        work = _Work(client, tables, request, run, progress or Silent())
        try:
            if account.failures:
                _probe(services, account.account_id, report)
            work.read_into(report)
            if request.mode == "reconcile" and not request.dry_run:
                _look_after_webhook(services, account, client, report)
            report.status = "incomplete" if report.problems else "succeeded"
        except Aborted as error:  # whoever started this thread is being ended
            report.status, report.error = "interrupted", error
        except PipelineError as error:
            report.status, report.error = "failed", error
        except Exception as error:  # noqa: BLE001 (whatever it is, it is this account's)
            report.status, report.error = "failed", UnexpectedError.of(error)
        except BaseException:
            report.status = "interrupted"
            raise
        finally:
            report.seconds = round(time.monotonic() - started, 3)
            report.api_calls += client.stats.api_calls
            report.http_429 += client.stats.http_429
            if not request.dry_run:
                _count(services, request, report)
                _record(services, account, run, report)
    return report


def _look_after_webhook(services: Services, account: Account, client: HostawayClient, report: Report) -> None:
    """Whether Hostaway still delivers, and what it could not deliver. No reason to call the sync a failure."""
    if RESERVATIONS.name not in report.entities or receiver_url(services) is None:
        return
    try:
        ensure_webhook(services, client)
        recovered = recover_undelivered(services, account, client)
    except Aborted:
        raise
    except PipelineError as error:
        log.warning("webhook not looked after", account_id=account.account_id, error=str(error))
        return
    for entity, counts in recovered.items():
        services.telemetry.records_synced("pull", entity, counts)


def _probe(services: Services, account_id: int, report: Report) -> None:
    """After a failure one call, without retries, tells whether the account is back: a dead one costs just that."""
    with services.client(account_id, _PROBE) as client:
        try:
            client.probe()
        finally:
            report.api_calls += client.stats.api_calls
            report.http_429 += client.stats.http_429


def _started(services: Services, request: PullRequest) -> StartedRun:
    if request.dry_run:
        now = datetime.now(UTC)
        return StartedRun(id=0, started_at=now, baseline_at=now)
    return services.sync_runs.start(
        request.account_id,
        mode=request.mode,
        source=request.source,
        dagster_run_id=request.dagster_run_id,
        entities=request.entities,
    )


def _count(services: Services, request: PullRequest, report: Report) -> None:
    services.telemetry.sync_ended(request.source, report.status)
    for entity, counts in report.entities.items():
        services.telemetry.records_synced("pull", entity, counts)


def _record(services: Services, account: Account, run: StartedRun, report: Report) -> None:
    with suppress(DatabaseUnavailable):  # then the next start of this account marks the run as interrupted
        services.sync_runs.finish(
            run.id,
            status=report.status,
            api_calls=report.api_calls,
            http_429=report.http_429,
            entities={name: counts.as_dict() for name, counts in report.entities.items()},
            error=str(report.error) if report.error else "; ".join(report.problems.values()) or None,
        )
        if report.status == "interrupted":
            return
        if isinstance(report.error, ApiError):
            is_permanent = isinstance(report.error, PermanentApiError)
            pause = pause_after(account.failures + 1, is_permanent=is_permanent)
            services.accounts.mark_failed(account.account_id, pause=pause)
        elif report.error is None:
            services.accounts.mark_synced(account.account_id)


@dataclass(slots=True)
class _Work:
    """The reads of one sync: the lists side by side, then the messages that follow from the conversations."""

    client: HostawayClient
    tables: PullWriter
    request: PullRequest
    run: StartedRun
    progress: Progress

    def read_into(self, report: Report) -> None:
        """What was read before a failure is in the report all the same."""
        with ThreadPoolExecutor(self.client.concurrency, "request") as pool, self.client.aborted_by_errors():
            for outcome in self._side_by_side(self._list_reads(pool)):
                report.add(outcome)
            if MESSAGES.name in self.request.entities:
                report.add(self._messages(pool))

    def _list_reads(self, pool: Executor) -> list[Callable[[], Outcome]]:
        wanted = [entity for entity in _LISTS if entity.name in self.request.entities]
        share = self.request.max_delete_share
        if self.request.mode == "refresh":
            wanted = [entity for entity in wanted if entity is not LISTINGS]
        reads: list[Callable[[], Outcome]] = []
        for entity in wanted:
            if self.request.mode == "refresh" and entity is RESERVATIONS:
                reads.append(partial(read_newest, self.client, self.tables, self.progress))
            else:
                sweep = Sweep(entity, self.client, self.tables, pool, self.progress)
                reads.append(partial(sweep.run, max_delete_share=share))
        return reads

    def _messages(self, pool: Executor) -> Outcome:
        is_full, is_reconcile = self.request.mode == "full", self.request.mode == "reconcile"
        unread = self.tables.conversations_to_read(
            read_before=self.run.baseline_at if is_full else None,
            reread_share=self.request.reread_share if is_reconcile else 0.0,
        )
        reader = MessageReader(
            self.client,
            self.tables,
            pool,
            self.progress,
            synced_at=self.run.started_at,
            max_delete_share=self.request.max_delete_share,
        )
        return reader.run(unread)

    def _side_by_side(self, calls: list[Callable[[], Outcome]]) -> list[Outcome]:
        """Each in a thread of its own; the first failure is raised once all have ended."""
        if len(calls) <= 1:
            return [call() for call in calls]
        with ThreadPoolExecutor(len(calls), "sweep") as executor, self.client.aborted_by_errors():
            futures = [executor.submit(call) for call in calls]
            wait(futures)  # here, not at the pool's end: an interrupt has to reach the client before that
        return [future.result() for future in futures]
