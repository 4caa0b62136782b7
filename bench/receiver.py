"""The receiver alone: deliveries per second, each answered once durable, against the same app without storage.

The load generator runs on the same cores. Postgres is the embedded one, with fsync on.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import uvicorn

from bench import charts, load, wrk
from bench.figures import Figure, at_least, at_most, table
from bench.stand import wait_for_port
from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.domain.events import Delivery
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.security.keyring import generate_key
from hostaway_pipeline.settings import Settings, load_settings
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.wiring import services_on
from webhook_receiver.app import create_app

ACCOUNT, CONNECTIONS, SECONDS, ROUNDS = 59808, 16, 8.0, 5
PATH = "/webhooks/hostaway"


class StoresNothing:
    """Replaces the inbox writer, so that everything but the commit stays the same."""

    stored = repeated = commits = 0

    async def store(self, delivery: Delivery, request_id: str) -> None:
        pass

    async def close(self) -> None:
        pass


def serve_without_storing(port: int) -> None:
    app = create_app(load_settings())
    app.state.receiver.writer = StoresNothing()
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_config=None, server_header=False)


@contextmanager
def server(url: str, keys: str, command: list[str], port: int) -> Iterator[None]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HOSTAWAY_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment |= {
        "HOSTAWAY_DATABASE_URL": url,
        "HOSTAWAY_EGRESS": "bench",
        "HOSTAWAY_ENCRYPTION_KEYS": keys,
        "HOSTAWAY_LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, *command], env=environment)
    try:
        wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.wait()


def measure(port: int, credential: Credential, first_id: int) -> load.Load:
    requests = load.deliveries(PATH, credential.login, credential.password, ACCOUNT, first_id)
    load.run(port, requests, connections=CONNECTIONS, seconds=1.0)  # warm up plans, caches, connections
    found = load.run(port, requests, connections=CONNECTIONS, seconds=SECONDS)
    if set(found.statuses) != {200}:
        raise RuntimeError(f"some answers were not 200: {found.statuses}")
    return found


def measure_with_wrk(port: int, credential: Credential) -> list[wrk.WrkResult]:
    """The same measurement by wrk, an independent load generator; empty where it is not installed."""
    if not wrk.is_installed():
        return []
    own = (credential.login, credential.password, ACCOUNT)
    wrk.run(port, *own, 500_000_000, connections=CONNECTIONS, seconds=2)
    starts = [600_000_000 + number * 10_000_000 for number in range(ROUNDS)]
    return [wrk.run(port, *own, start, connections=CONNECTIONS, seconds=int(SECONDS)) for start in starts]


def bare_commits(url: str) -> float:
    """Durable single-row commits per second over one connection: the disk's rate without group commits."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (payload text)")
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 3:
            connection.execute("INSERT INTO bare VALUES (%s)", ("x" * 1500,))
            count += 1
        return count / (time.perf_counter() - began)


def rounds() -> tuple[list[load.Load], list[load.Load], list[wrk.WrkResult], float]:
    """Measure with and without storage in turn, so that a slow minute of the machine affects both."""
    keys = f"bench:{generate_key()}"
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as postgres:
        postgres.ensure_database("hostaway")
        url = postgres.url("hostaway")
        services = services_on(Settings(_env_file=None, database_url=url, encryption_keys=keys), url)
        services.migrate()
        services.secrets.check()
        services.accounts.add(ACCOUNT, "unused", name=None, customer_id=None, is_due=False)
        credential = services.webhooks.ensure_credential(ACCOUNT)
        commits = bare_commits(url)
        ports = free_port(), free_port()
        peer = f"from bench.receiver import serve_without_storing; serve_without_storing({ports[1]})"
        storing, bare = [], []
        with (
            server(url, keys, ["-m", "webhook_receiver", "--port", str(ports[0])], ports[0]),
            server(url, keys, ["-c", peer], ports[1]),
        ):
            for number in range(ROUNDS):
                storing.append(measure(ports[0], credential, number * 10_000_000))
                bare.append(measure(ports[1], credential, number * 10_000_000))
            outside = measure_with_wrk(ports[0], credential)
        stored = services.inbox.state().pending
        services.close()
    if stored < sum(len(one.latencies) for one in storing):
        raise RuntimeError("more deliveries were answered than are stored")
    return storing, bare, outside, commits


def run() -> list[Figure]:
    storing, bare, outside, commits = rounds()
    rate, peer = (statistics.median(one.rate for one in loads) for loads in (storing, bare))
    p99 = statistics.median(one.percentile(0.99) for one in storing) * 1000
    charts.bars(
        "receiver",
        "Deliveries per second, 16 connections, 2 cores",
        {"stored durably": rate, "the same app without storage": peer, "single commits, one connection": commits},
        "/s",
    )
    case = f"receiver, 1 process, 1.5 KB, {CONNECTIONS} connections, durable, median of {ROUNDS} rounds"
    figures = [
        at_least(f"{case}: deliveries per second", rate, 2500, "/s", f"single durable commits: {commits:,.0f}/s"),
        at_most(f"{case}: p99", p99, 40, " ms", "the system this replaces: 77 ms at 417/s"),
        at_least(f"{case}: rate to that of the same app without storage", rate / peer, 0.4, "×", f"{peer:,.0f}/s"),
    ]
    if outside:
        outer, slow = (statistics.median(getattr(one, name) for one in outside) for name in ("rate", "p99"))
        figures += [
            at_least(f"{case}, by wrk: deliveries per second", outer, 3000, "/s", f"bench/load.py: {rate:,.0f}/s"),
            at_most(f"{case}, by wrk: p99", slow, 20, " ms", f"bench/load.py: {p99:.0f} ms"),
        ]
    return figures


if __name__ == "__main__":
    print(table(run()))
