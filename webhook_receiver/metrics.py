"""Metrics for Prometheus: this process's deliveries, and the counters that all processes keep in Postgres.

No label is an id. While the database is unavailable, only this process's metrics are shown and `hostaway_up` is 0.
"""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.store.backups import backup_age
from hostaway_pipeline.store.telemetry import BUCKETS, Key
from webhook_receiver.deps import Receiver

COUNTERS = {
    "syncs": ("hostaway_syncs", "Syncs that ended, by source and status", ["source", "status"]),
    "api_requests": ("hostaway_api_requests", "Requests to Hostaway", ["endpoint", "outcome"]),
    "token_refreshes": ("hostaway_token_refreshes", "Access tokens fetched", []),
    "records": ("hostaway_records", "Rows processed by syncs and events", ["journey", "entity", "outcome"]),
}
HISTOGRAMS = {
    "api_seconds": ("hostaway_api_request_seconds", "Seconds from a request to its answer", ["endpoint"]),
    "db_seconds": ("hostaway_db_statement_seconds", "Seconds a statement took, by its name", ["statement"]),
}


def exposition(receiver: Receiver) -> tuple[bytes, str]:
    """Body and content type of the page of metrics."""
    registry = CollectorRegistry()
    registry.register(_Metrics(receiver))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Metrics(Collector):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def collect(self) -> Iterator[Metric]:
        yield from self._collect_process()
        up = GaugeMetricFamily("hostaway_up", "1 when the database answers, else 0")
        try:
            shared = list(self._collect_shared())
            up.add_metric([], 1)
        except PipelineError:
            shared = []
            up.add_metric([], 0)
        yield from [up, *shared]

    def describe(self) -> Iterable[Metric]:
        return []

    def _collect_process(self) -> Iterator[Metric]:
        results = CounterMetricFamily("hostaway_webhook_deliveries", "Deliveries, by result", labels=["result"])
        for result, number in self._receiver.results.items():
            results.add_metric([result], number)
        yield results
        writer = self._receiver.writer
        yield CounterMetricFamily("hostaway_webhook_events_stored", "Events stored", value=writer.stored)
        yield CounterMetricFamily("hostaway_webhook_repetitions", "Deliveries of a known event", value=writer.repeated)
        yield CounterMetricFamily("hostaway_webhook_commits", "Commits that stored events", value=writer.commits)
        lookups = self._receiver.logins.lookups
        yield CounterMetricFamily("hostaway_webhook_login_lookups", "Statements that looked up logins", value=lookups)

    def _collect_shared(self) -> Iterator[Metric]:
        services = self._receiver.probes.services
        services.telemetry.flush()
        totals = services.telemetry.totals()
        for counted, (shown, text, labels) in COUNTERS.items():
            yield _counter(shown, text, labels, counted, totals)
        for counted, (shown, text, labels) in HISTOGRAMS.items():
            yield _histogram(shown, text, labels, counted, totals)
        limited = sum(value for (name, labels), value in totals.items() if name == "api_requests" and labels[1] == _429)
        yield CounterMetricFamily("hostaway_api_429", "Answers 429", value=limited)
        yield _findings(services.telemetry.findings())
        state = services.inbox.state()
        later = state.pending - state.claimable - state.claimed
        waiting = {"ready": state.claimable, "claimed": state.claimed, "later": later}
        yield _gauge("hostaway_inbox_pending", "Events that wait to be applied", "state", waiting)
        yield GaugeMetricFamily("hostaway_inbox_failed", "Events that failed (dead letters)", value=state.failed)
        age = state.oldest_pending_seconds or 0.0
        yield GaugeMetricFamily("hostaway_inbox_oldest_seconds", "Age of the oldest pending event", value=age)
        text = "Messages of the last day that are neither known to be sent nor refused"
        yield _gauge("hostaway_outbox_messages", text, "status", services.outbox.open_messages())
        health = services.checks.account_health()
        yield GaugeMetricFamily("hostaway_active_accounts", "Accounts that are synced", value=health.active)
        text = "Accounts whose syncs pause after failures"
        yield GaugeMetricFamily("hostaway_paused_accounts", text, value=health.paused)
        text = "Accounts whose copy was not proven complete within a night"
        yield GaugeMetricFamily("hostaway_stale_accounts", text, value=health.stale)
        text = "Bytes on disk of the database that holds the copy"
        yield GaugeMetricFamily("hostaway_database_bytes", text, value=health.database_bytes)
        backup = GaugeMetricFamily("hostaway_backup_seconds", "Age of the newest backup by `hostaway db backup`")
        if (newest := backup_age(services.database)) is not None:
            backup.add_metric([], newest.total_seconds())
        yield backup
        yield self._pace()
        yield from self._cadences()

    def _pace(self) -> Metric:
        pace = GaugeMetricFamily(
            "hostaway_pace", "Requests per window allowed now, after adapting to 429s", labels=["scope"]
        )
        slowest: dict[str, int] = {}
        for scope in self._receiver.probes.services.slots.states():
            kind = scope.scope.partition(":")[0]
            slowest[kind] = min(scope.allowed, slowest.get(kind, scope.allowed))
        for kind, allowed in sorted(slowest.items()):
            pace.add_metric([kind], allowed)
        return pace

    def _cadences(self) -> Iterator[Metric]:
        due = GaugeMetricFamily("hostaway_due_accounts", "Accounts that wait for a sync", labels=["mode"])
        interval = GaugeMetricFamily(
            "hostaway_sync_interval_seconds", "Mean time between an account's two newest syncs", labels=["mode"]
        )
        oldest = GaugeMetricFamily("hostaway_sync_oldest_seconds", "Age of the oldest newest sync", labels=["mode"])
        late = GaugeMetricFamily("hostaway_due_seconds", "How late the latest account that waits is", labels=["mode"])
        for mode, backlog in sorted(self._receiver.probes.services.cadences.backlog().items()):
            due.add_metric([mode], backlog.due + backlog.requested)
            late.add_metric([mode], backlog.latest.total_seconds() if backlog.latest else 0.0)
            if backlog.mean_interval is not None:
                interval.add_metric([mode], backlog.mean_interval.total_seconds())
            if backlog.oldest is not None:
                oldest.add_metric([mode], backlog.oldest.total_seconds())
        return iter((due, late, interval, oldest))


_429 = "RateLimited"


def _gauge(shown: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(shown, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter(shown: str, text: str, labels: list[str], name: str, totals: dict[Key, float]) -> Metric:
    family = CounterMetricFamily(shown, text, labels=labels)
    for (counted, values), number in sorted(totals.items()):
        if counted == name:
            family.add_metric(list(values), number)
    return family


def _findings(found: dict[tuple[str, str], int]) -> Metric:
    text = "Rows written with a key that is unknown or could not be read; payload_findings names the keys"
    family = CounterMetricFamily("hostaway_payload_findings", text, labels=["entity", "finding"])
    for (entity, finding), number in sorted(found.items()):
        family.add_metric([entity, finding], number)
    return family


def _histogram(shown: str, text: str, labels: list[str], name: str, totals: dict[Key, float]) -> Metric:
    family = HistogramMetricFamily(shown, text, labels=labels)
    bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
    for values in sorted({values for counted, values in totals if counted == f"{name}_sum"}):
        cumulative, buckets = 0.0, []
        for bound in bounds:
            cumulative += totals.get((f"{name}_bucket", (*values, bound)), 0.0)
            buckets.append((bound, cumulative))
        family.add_metric(list(values), buckets, sum_value=totals[f"{name}_sum", values])
    return family
