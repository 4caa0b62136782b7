"""The receiver among rude callers: unknown logins by the second, and everything that never ends at once.

Meanwhile right deliveries come, and how long they wait is the figure.
"""

import multiprocessing
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil

from bench import load
from bench.figures import Figure, at_most, table
from bench.siege import MEBIBYTE, PATH, besiege, request
from bench.stand import wait_for_port
from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.security.keyring import generate_key
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.wiring import services_on

ACCOUNT, ACCOUNTS = 59808, 10_000
UNKNOWN_PER_SECOND, QUIET_SECONDS, ROUND_SECONDS, ROUNDS = 50, 10.0, 2.0, 11
SIEGE_SECONDS = 25.0


@dataclass(frozen=True, slots=True)
class Receiver:
    port: int
    process: psutil.Process
    credential: Credential


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Of ten thousand accounts, of which one gets deliveries."""
    keys, port = f"bench:{generate_key()}", free_port()
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as postgres:
        postgres.ensure_database("hostaway")
        url = postgres.url("hostaway")
        services = services_on(Settings(_env_file=None, database_url=url, encryption_keys=keys), url)
        services.migrate()
        services.secrets.check()
        services.accounts.add(ACCOUNT, "unused", name=None, customer_id=None, is_due=False)
        credential = services.webhooks.ensure_credential(ACCOUNT)
        with services.database.transaction() as connection:
            connection.exec_driver_sql(
                "INSERT INTO hostaway.accounts (account_id, webhook_login, webhook_password) "
                f"SELECT n, md5(n::text), 'v1:never:opened' FROM generate_series(1, {ACCOUNTS - 1}) AS n"
            )
        services.close()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HOSTAWAY_")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment |= {
            "HOSTAWAY_DATABASE_URL": url,
            "HOSTAWAY_EGRESS": "bench",
            "HOSTAWAY_ENCRYPTION_KEYS": keys,
            "HOSTAWAY_LOG_LEVEL": "ERROR",
        }
        process = subprocess.Popen([sys.executable, "-m", "webhook_receiver", "--port", str(port)], env=environment)
        try:
            wait_for_port(port)
            yield Receiver(port, psutil.Process(process.pid), credential)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def meanwhile(work: Callable[[int, Credential, Event], None], found: Receiver) -> Iterator[None]:
    """In a process of its own: what callers cost must not slow down who measures."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    process = context.Process(target=work, args=(found.port, found.credential, ended))
    process.start()
    time.sleep(2)  # until it has begun
    try:
        yield
    finally:
        ended.set()
        process.join()


def knock(port: int, _: Credential, ended: Event) -> None:
    """Fifty unknown logins a second, each another one, of the shape of ours: none is waited for before the next."""
    number, began = 0, time.monotonic()
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(UNKNOWN_PER_SECOND)]
    while not ended.is_set():
        one = connections[number % len(connections)]
        answer = one.recv(65536) if number >= len(connections) else b"HTTP/1.1 401"
        if not answer.startswith(b"HTTP/1.1 401"):
            raise RuntimeError(f"an unknown login was answered {answer!r}")
        number += 1
        one.sendall(request(secrets.token_hex(8), f"198.51.{number // 250 % 250}.{number % 250}"))
        time.sleep(max(0.0, began + number / UNKNOWN_PER_SECOND - time.monotonic()))
    for one in connections:
        one.close()


def p99(found: Receiver, first_id: int) -> float:
    own = found.credential
    requests = load.deliveries(PATH, own.login, own.password, ACCOUNT, first_id)
    return load.run(found.port, requests, connections=4, seconds=ROUND_SECONDS).percentile(0.99) * 1000


def unknown_logins(found: Receiver) -> list[Figure]:
    p99(found, 0)  # warm
    with meanwhile(knock, found):
        time.sleep(1)
        before = sum(found.process.cpu_times()[:2])
        time.sleep(QUIET_SECONDS)
        share = (sum(found.process.cpu_times()[:2]) - before) / QUIET_SECONDS * 100
    alone, ratios = [], []
    for number in range(1, ROUNDS + 1):
        quiet, loud = pair(found, number * 20_000_000, loud_first=number % 2 == 0)
        alone.append(quiet)
        ratios.append(loud / quiet)
    case = f"{ACCOUNTS:,} accounts, {UNKNOWN_PER_SECOND} unknown logins a second"
    baseline = f"without them: {statistics.median(alone):.1f} ms"
    return [
        at_most(f"{case}: of a core", share, 10, " %", "none"),
        at_most(f"{case}: p99 of right deliveries", statistics.median(ratios), 1.2, "×", baseline),
    ]


def pair(found: Receiver, first_id: int, *, loud_first: bool) -> tuple[float, float]:
    """Without and with them, one right after the other, now in this order and now in that: what else the machine has
    to do changes within seconds."""
    figures: dict[bool, float] = {}
    for is_loud in (loud_first, not loud_first):
        with meanwhile(knock, found) if is_loud else nullcontext():
            figures[is_loud] = p99(found, first_id + is_loud * 10_000_000)
    return figures[False], figures[True]


def besieged(found: Receiver) -> list[Figure]:
    own = found.credential
    requests = load.deliveries(PATH, own.login, own.password, ACCOUNT, 900_000_000)
    before = found.process.memory_info().rss
    slowest, peak = 0.0, before
    with meanwhile(besiege, found):
        until = time.monotonic() + SIEGE_SECONDS
        while time.monotonic() < until:
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", found.port), timeout=30) as one:
                one.settimeout(30)
                one.sendall(next(requests))
                answer = one.recv(65536)
            slowest = max(slowest, time.monotonic() - began)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"a right delivery was answered {answer!r}")
            peak = max(peak, found.process.memory_info().rss)
            time.sleep(0.1)
    case = "endless header and URL, 300 slow bodies, 2,000 idle connections, 60,000 addresses, at once"
    return [
        at_most(f"{case}: memory", (peak - before) / MEBIBYTE, 50, " MB", f"before: {before / MEBIBYTE:.0f} MB"),
        at_most(f"{case}: slowest right delivery, on a connection of its own", slowest, 1, " s", "none"),
    ]


def run() -> list[Figure]:
    with receiver() as found:
        return unknown_logins(found) + besieged(found)


if __name__ == "__main__":
    print(table(run()))
