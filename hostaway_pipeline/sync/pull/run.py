"""Pull: one account's lists and messages from the API into the tables, under the account's lock."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.domain.breaker import pause_after
from hostaway_pipeline.domain.entities import RESERVATIONS
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
from hostaway_pipeline.store.sync_runs import StartedRun
from hostaway_pipeline.sync.pull.progress import Progress, Silent
from hostaway_pipeline.sync.pull.reads import Reads
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.undelivered import recover_undelivered
from hostaway_pipeline.sync.registration import ensure_webhook, receiver_url

log = structlog.get_logger(__name__)
_PROBE = RetryPolicy(max_attempts=1, max_attempts_on_429=1)


# Beyond a few accounts the outgoing IP's limit is what all of them wait for.
AT_ONCE = 4


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
        settings = services.settings
        reads = Reads(
            client,
            tables,
            request,
            run,
            max_delete_share=1.0 if request.allow_mass_delete else settings.max_delete_share,
            reread_share=settings.reread_share if request.reread_share is None else request.reread_share,
            progress=progress or Silent(),
        )
        try:
            if account.failures:
                _probe(services, account.account_id, report)
            reads.read_into(report)
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


def pull_many(services: Services, requests: Iterable[PullRequest]) -> Iterator[Report]:
    """Reports in the order in which the accounts end; an account that could not even start has one, too.

    Whoever is interrupted, or takes no more reports, aborts the services: syncs under way end at once as interrupted.
    """
    with ThreadPoolExecutor(AT_ONCE, "account") as pool:
        syncs = [pool.submit(_pull_or_report, services, request) for request in requests]
        try:
            for done in as_completed(syncs):
                yield done.result()
        except BaseException:
            for sync in syncs:
                sync.cancel()
            services.abort()
            raise


def _pull_or_report(services: Services, request: PullRequest) -> Report:
    try:
        return pull(services, request)
    except PipelineError as error:
        return Report(request.account_id, status="failed", error=error)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is this account's)
        return Report(request.account_id, status="failed", error=UnexpectedError.of(error))


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
        services.telemetry.record_counts("pull", entity, counts)


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
    services.telemetry.record_sync(request.source, report.status)
    for entity, counts in report.entities.items():
        services.telemetry.record_counts("pull", entity, counts)


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
