"""Counters that several processes add to: kept in memory, added up in Postgres, shown by the receiver's /metrics.

Satisfies client.ports.Observer. What a process has counted since its last flush is lost when it is killed.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy.dialects.postgresql import insert

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.store.database import Database, query
from hostaway_pipeline.store.schema import metrics

# Upper bounds in seconds; what is slower falls into +Inf.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
Key = tuple[str, tuple[str, ...]]


class Telemetry:
    """Thread-safe. Whoever ends, or works for long, flushes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counts: defaultdict[Key, float] = defaultdict(float)
        database.on_statement = self.record_statement

    def record_request(self, path: str, outcome: str, seconds: float) -> None:
        self._add(("api_requests", (path, outcome)))
        self._time("api_seconds", (path,), seconds)

    def record_token_refresh(self) -> None:
        self._add(("token_refreshes", ()))

    def record_statement(self, name: str, seconds: float) -> None:
        self._time("db_seconds", (name,), seconds)

    def record_counts(self, journey: str, entity: str, counts: Counts) -> None:
        """`journey` is pull or push."""
        for outcome in ("inserted", "updated", "unchanged", "deleted"):
            if number := getattr(counts, outcome):
                self._add(("records", (journey, entity, outcome)), number)

    def record_sync(self, source: str, status: str) -> None:
        self._add(("syncs", (source, status)))

    def flush(self) -> None:
        """Add what was counted since the last time. Raises DatabaseUnavailable, and keeps the counts for later."""
        with self._lock:
            counts, self._counts = self._counts, defaultdict(float)
        if not counts:
            return
        try:
            self._store(counts.items())
        except BaseException:
            for key, amount in counts.items():
                self._add(key, amount)
            raise

    def totals(self) -> dict[Key, float]:
        """Everything that all processes have flushed."""
        with self._database.unsynced() as cursor:
            rows = cursor.execute(query("metric_totals")).fetchall()
        return {(name, tuple(labels)): value for name, labels, value in rows}

    def _store(self, counts: Iterable[tuple[Key, float]]) -> None:
        # In one order, so that two processes wait for each other instead of deadlocking.
        values = [{"name": name, "labels": list(labels), "value": value} for (name, labels), value in sorted(counts)]
        statement = insert(metrics).values(values)
        added = statement.on_conflict_do_update(
            index_elements=[metrics.c.name, metrics.c.labels],
            set_={"value": metrics.c.value + statement.excluded.value},
        )
        self._database.run(lambda connection: connection.execute(added))

    def _time(self, name: str, labels: tuple[str, ...], seconds: float) -> None:
        bucket = next((f"{bound:g}" for bound in BUCKETS if seconds <= bound), "+Inf")
        with self._lock:
            self._counts[(f"{name}_bucket", (*labels, bucket))] += 1
            self._counts[(f"{name}_sum", labels)] += seconds

    def _add(self, key: Key, amount: float = 1) -> None:
        with self._lock:
            self._counts[key] += amount
