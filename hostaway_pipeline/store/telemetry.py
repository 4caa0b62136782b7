"""Counts in memory and adds the counts up in Postgres, over all processes; the receiver shows them at /metrics.

Satisfies client.ports.Observer. A process that is killed loses its counts since the last flush.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable

import orjson

from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.store.database import Database, driver, query

# Upper bounds of the histograms' buckets, in seconds; +Inf is the last bucket.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
Key = tuple[str, tuple[str, ...]]


class Telemetry:
    """Thread-safe counters of one process, which must flush at its end, and from time to time in long work."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counts: defaultdict[Key, float] = defaultdict(float)
        database.on_statement = self.record_statement

    def record_request(self, path: str, outcome: str, seconds: float) -> None:
        self._add(("api_requests", (path, outcome)))
        self._observe("api_seconds", (path,), seconds)

    def record_token_refresh(self) -> None:
        self._add(("token_refreshes", ()))

    def record_statement(self, name: str, seconds: float) -> None:
        self._observe("db_seconds", (name,), seconds)

    def record_counts(self, journey: str, entity: str, counts: Counts) -> None:
        """`journey` is pull or push."""
        for outcome in ("inserted", "updated", "unchanged", "deleted"):
            if number := getattr(counts, outcome):
                self._add(("records", (journey, entity, outcome)), number)

    def record_sync(self, source: str, status: str) -> None:
        self._add(("syncs", (source, status)))

    def flush(self) -> None:
        """Add the counts since the last flush to the totals. Raises DatabaseUnavailable, and then keeps the counts."""
        with self._lock:
            counts, self._counts = self._counts, defaultdict(float)
        if not counts:
            return
        try:
            self._upsert(counts.items())
        except BaseException:
            for key, amount in counts.items():
                self._add(key, amount)
            raise

    def totals(self) -> dict[Key, float]:
        """The totals of all flushes of all processes, by name and label values."""
        with self._database.unsynced() as cursor:
            rows = cursor.execute(query("metric_totals")).fetchall()
        return {(name, tuple(labels)): value for name, labels, value in rows}

    def findings(self) -> dict[tuple[str, str], int]:
        """Written rows with an unknown or unreadable key, by entity and finding: the merge counts them per key."""
        with self._database.unsynced() as cursor:
            rows = cursor.execute(query("finding_totals")).fetchall()
        return {(entity, finding): int(number) for entity, finding, number in rows}

    def _upsert(self, counts: Iterable[tuple[Key, float]]) -> None:
        values = [{"name": name, "labels": labels, "value": value} for (name, labels), value in sorted(counts)]
        text = orjson.dumps(values).decode()
        self._database.run(lambda connection: driver(connection).execute(query("add_counts"), {"counts": text}))

    def _observe(self, name: str, labels: tuple[str, ...], seconds: float) -> None:
        bucket = next((f"{bound:g}" for bound in BUCKETS if seconds <= bound), "+Inf")
        with self._lock:
            self._counts[(f"{name}_bucket", (*labels, bucket))] += 1
            self._counts[(f"{name}_sum", labels)] += seconds

    def _add(self, key: Key, amount: float = 1) -> None:
        with self._lock:
            self._counts[key] += amount
