"""Ten real minutes of 1,300 accounts behind Hostaway's lowest limit, which the sandbox enforces: nothing is refused."""

import os
import subprocess
import sys
import time
from typing import Any

from bench.backfill import ask
from bench.figures import Figure, at_least, at_most, table
from bench.pages import ADD
from bench.stand import stand
from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.settings import Settings

COUNT, LIMIT, WINDOW = 1_300, 15, 10
SECONDS = float(os.environ.get("REAL_SECONDS", "600"))
_SWEEPERS = ("requested", "reconcile", "refresh", "listings")  # trails have a place of their own
_UNFINISHED = """{ runsOrError(filter: {statuses: [QUEUED, STARTING, STARTED]}) {
    ... on Runs { results { pipelineName } } } }"""


def sweepers_under_way(port: int) -> int:
    found: dict[str, list[dict[str, Any]]] = ask(port, _UNFINISHED)
    return sum(one["pipelineName"] in _SWEEPERS for one in found["results"])


def run() -> list[Figure]:
    limit = f"{LIMIT}/{WINDOW}"
    case = f"{COUNT:,} accounts, {limit} s, {SECONDS / 60:.0f} real minutes"
    with stand([f"1-{COUNT}:2:10"], latency=0.1, server=(limit, limit)) as made:
        subprocess.run([sys.executable, "-c", ADD, str(COUNT), "due"], env=made.environment, check=True)
        port, most = free_port(), 0
        with made.up(port, free_port()):
            ends_at = time.monotonic() + SECONDS
            while time.monotonic() < ends_at:
                most = max(most, sweepers_under_way(port))
                time.sleep(2)
            counters = made.counters()
            synced = made.psql("SELECT count(*) FROM hostaway.sync_runs WHERE status = 'succeeded'").strip()
    refused = counters["http_429"]
    used = counters["total"] / (SECONDS / WINDOW * LIMIT)
    sweepers = Settings.model_fields["sweepers"].default
    return [
        at_most(f"{case}: answers with status 429", refused, 0, "", f"{counters['total']:,} calls"),
        at_least(f"{case}: share of the limit that was used", used, 0.8, "", f"{synced} accounts were synced"),
        at_most(f"{case}: unfinished sweeper runs", most, sweepers, "", "HOSTAWAY_SWEEPERS"),
    ]


if __name__ == "__main__":
    print(table(run()))
