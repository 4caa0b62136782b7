"""Syncs an account: reads its lists and messages into the tables, under the account's lock."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.breaker import pause_after
from hostaway_pipeline.domain.cadences import satisfied_by
from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.errors import (
    Aborted,
    ApiError,
    DatabaseUnavailable,
    PermanentApiError,
    PipelineError,
    UnexpectedError,
)
from hostaway_pipeline.services import ONE_ATTEMPT, Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.store.sync_runs import StartedRun, SyncRuns
from hostaway_pipeline.store.telemetry import Telemetry
from hostaway_pipeline.sync.pull.progress import Progress, Silent
from hostaway_pipeline.sync.pull.reads import Reads
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.undelivered import recover_undelivered
from hostaway_pipeline.sync.registration import ensure_webhook, receiver_url

log = structlog.get_logger(__name__)
# Accounts synced in parallel. More would only wait for the rate limit of the outgoing IP.
AT_ONCE = 4


def pull(services: Services, request: PullRequest, progress: Progress | None = None) -> Report:
    """Sync one account and report; what was merged before a failure stays and is not read again.

    Raises AccountError for an account that is unknown or paused, SyncInProgress when its lock is taken,
    DatabaseUnavailable when even the start cannot be recorded. Any later PipelineError ends up in the report.
    """
    started = time.monotonic()
    account = services.accounts.get(request.account_id)
    if request.respect_pause:
        account.require_unpaused(datetime.now(UTC))
    report = Report(account.account_id, account.name)
    share = services.settings.refresh_share if request.mode == "refresh" else 1.0
    with (
        services.account_lock(account.account_id, request.wait_seconds),
        services.client(account.account_id, share=share) as client,
    ):
        run = _start(services.sync_runs, request)
        writer = services.pull_writer(account, dry_run=request.dry_run, run_id=run.id)
        progress = progress or Silent()
        reads = Reads.of(request, run, services.settings, client=client, writer=writer, progress=progress)
        try:
            if account.failures:
                _probe(services.client(account.account_id, ONE_ATTEMPT), report)
            reads.read_into(report)
            if request.mode == "reconcile" and not request.dry_run:
                _check_webhook(services, account, client, report)
            report.status = "incomplete" if report.problems else "succeeded"
        except Aborted as error:  # the process or the caller is ending
            report.status, report.error = "interrupted", error
        except PipelineError as error:
            report.status, report.error = "failed", error
        except Exception as error:  # noqa: BLE001 (any mistake is reported with its account)
            report.status, report.error = "failed", UnexpectedError.of(error)
        except BaseException:
            report.status = "interrupted"
            raise
        finally:
            report.seconds = round(time.monotonic() - started, 3)
            report.add_calls(client.stats)
            if not request.dry_run:
                _record_metrics(services.telemetry, request, report)
                _record_end(services, request, account, run, report)
    return report


def pull_many(services: Services, requests: Iterable[PullRequest]) -> Iterator[Report]:
    """Sync accounts in parallel; yield each report as its account ends, also for an account that could not start.

    An interrupt, or a caller that stops iterating, aborts the services: syncs under way end at once as interrupted.
    """
    with ThreadPoolExecutor(AT_ONCE, "account") as pool:
        # An interrupt may come at any moment: inside the pool's block, whose end waits for its threads, nothing may
        # happen without the abort.
        try:
            for done in as_completed([pool.submit(pull_or_report, services, request) for request in requests]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            services.abort()
            raise


def pull_or_report(services: Services, request: PullRequest) -> Report:
    """As `pull`, with the errors that it raises in the report."""
    try:
        return pull(services, request)
    except PipelineError as error:
        return Report(request.account_id, status="failed", error=error)
    except Exception as error:  # noqa: BLE001 (any mistake is reported with its account)
        return Report(request.account_id, status="failed", error=UnexpectedError.of(error))


def _check_webhook(services: Services, account: Account, client: HostawayClient, report: Report) -> None:
    """Restore the webhook and recover undelivered events. A failure here is logged and does not fail the sync."""
    if RESERVATIONS.name not in report.entities or receiver_url(services.settings) is None:
        return
    try:
        ensure_webhook(services, client)
        recovered = recover_undelivered(services, account, client)
    except Aborted:
        raise
    except PipelineError as error:
        log.warning("webhook not checked", account_id=account.account_id, error=str(error))
        return
    for entity, counts in recovered.items():
        services.telemetry.record_counts("pull", entity, counts)


def _probe(client: HostawayClient, report: Report) -> None:
    """After an earlier failure: one call without retries, so that an account that is still down costs no more."""
    with client:
        try:
            client.probe()
        finally:
            report.add_calls(client.stats)


def _start(sync_runs: SyncRuns, request: PullRequest) -> StartedRun:
    if request.dry_run:
        now = datetime.now(UTC)
        return StartedRun(id=0, started_at=now, baseline_at=now)
    return sync_runs.start(
        request.account_id,
        mode=request.mode,
        source=request.source,
        dagster_run_id=request.dagster_run_id,
        entities=request.entities,
    )


def _record_metrics(telemetry: Telemetry, request: PullRequest, report: Report) -> None:
    telemetry.record_sync(request.source, report.status)
    for entity, counts in report.entities.items():
        telemetry.record_counts("pull", entity, counts)


def _record_end(services: Services, request: PullRequest, account: Account, run: StartedRun, report: Report) -> None:
    accounts = services.accounts
    with suppress(DatabaseUnavailable):  # the account's next start then marks the run as interrupted
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
            accounts.mark_failed(account.account_id, pause=pause)
        elif report.error is None:
            accounts.mark_synced(account.account_id)
            if report.status == "succeeded":
                done = satisfied_by(request.mode, request.entities)
                services.cadences.record_success(account.account_id, done, run.started_at)
                if "reconcile" in done:
                    services.cadences.hasten_trails(account.account_id)
