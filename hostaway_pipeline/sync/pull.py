"""Pull: one account's lists and messages from the API into the tables, under the account's lock."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import CONVERSATIONS, ENTITIES, LISTINGS, MESSAGES, RESERVATIONS
from hostaway_pipeline.errors import DatabaseUnavailable, PipelineError
from hostaway_pipeline.store.account_tables import AccountTables
from hostaway_pipeline.store.accounts import Account, Accounts
from hostaway_pipeline.store.sweeps import SweepRecord
from hostaway_pipeline.store.sync_runs import StartedRun, SyncRuns
from hostaway_pipeline.sync.messages import MessageReader
from hostaway_pipeline.sync.progress import Progress, Silent
from hostaway_pipeline.sync.sweep import Outcome, Sweep

_LISTS = (LISTINGS, RESERVATIONS, CONVERSATIONS)


class Services(Protocol):
    """What wiring.py puts together."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def sync_runs(self) -> SyncRuns: ...

    def client(self, account_id: int) -> HostawayClient: ...

    def tables(self, account: Account, *, dry_run: bool) -> AccountTables: ...

    def account_lock(self, account_id: int, wait_seconds: float) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What to sync and how. `max_delete_share` 1 means that any number of rows may be marked as deleted."""

    account_id: int
    max_delete_share: float
    entities: tuple[str, ...] = tuple(ENTITIES)
    source: str = "cli"
    dagster_run_id: str | None = None
    dry_run: bool = False
    wait_seconds: float = 0


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
        self.entities[outcome.record.entity] = outcome.counts
        self.sweeps[outcome.record.entity] = outcome.record


def pull(services: Services, request: PullRequest, progress: Progress | None = None) -> Report:
    """Sync one account and say what happened; what was merged before a failure stays and is not read again.

    Raises AccountError for an unknown account, SyncInProgress when its lock is taken, DatabaseUnavailable when even
    the start cannot be recorded. Any later PipelineError ends up in the report.
    """
    started = time.monotonic()
    account = services.accounts.get(request.account_id)
    report = Report(account.account_id)
    with (
        services.account_lock(account.account_id, request.wait_seconds),
        services.client(account.account_id) as client,
    ):
        run = _started(services, request)
        tables = services.tables(account, dry_run=request.dry_run)
        try:
            _read_everything(client, tables, request=request, run=run, report=report, progress=progress or Silent())
            report.status = "incomplete" if report.problems else "succeeded"
        except PipelineError as error:
            report.status, report.error = "failed", error
        except BaseException:
            report.status = "interrupted"
            raise
        finally:
            report.seconds = round(time.monotonic() - started, 3)
            report.api_calls, report.http_429 = client.stats.api_calls, client.stats.http_429
            if not request.dry_run:
                _record(services, run, report)
    return report


def _started(services: Services, request: PullRequest) -> StartedRun:
    if request.dry_run:
        now = datetime.now(UTC)
        return StartedRun(id=0, started_at=now, baseline_at=now)
    return services.sync_runs.start(
        request.account_id,
        mode="full",
        source=request.source,
        dagster_run_id=request.dagster_run_id,
        entities=request.entities,
    )


def _record(services: Services, run: StartedRun, report: Report) -> None:
    with suppress(DatabaseUnavailable):  # then the next start of this account marks the run as interrupted
        services.sync_runs.finish(
            run.id,
            status=report.status,
            api_calls=report.api_calls,
            http_429=report.http_429,
            entities={name: counts.as_dict() for name, counts in report.entities.items()},
            error=str(report.error) if report.error else "; ".join(report.problems.values()) or None,
        )
        if report.error is None:
            services.accounts.mark_synced(report.account_id)


def _read_everything(
    client: HostawayClient,
    tables: AccountTables,
    *,
    request: PullRequest,
    run: StartedRun,
    report: Report,
    progress: Progress,
) -> None:
    """The three lists side by side, then the messages: which conversations to read follows from their list."""
    lists = [entity for entity in _LISTS if entity.name in request.entities]
    share = request.max_delete_share
    with ThreadPoolExecutor(client.concurrency, "request") as pool:
        sweeps = [Sweep(entity, client, tables, pool, progress) for entity in lists]
        for outcome in _side_by_side([lambda s=s: s.run(max_delete_share=share) for s in sweeps]):  # type: ignore[misc]
            report.add(outcome)
        if MESSAGES.name in request.entities:
            reader = MessageReader(client, tables, pool, progress)
            unread = tables.conversations_to_read(run.baseline_at)
            report.add(reader.run(unread, synced_at=run.started_at, max_delete_share=share))


def _side_by_side(calls: list[Callable[[], Outcome]]) -> list[Outcome]:
    """Each in a thread of its own; the first failure is raised once all have ended."""
    if len(calls) <= 1:
        return [call() for call in calls]
    executor: Executor
    with ThreadPoolExecutor(len(calls), "sweep") as executor:
        futures = [executor.submit(call) for call in calls]
    return [future.result() for future in futures]
