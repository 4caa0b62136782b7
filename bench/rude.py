"""The receiver among rude callers: unknown logins by the second, and everything that never ends at once.

Meanwhile right deliveries come, and how long they wait is the figure.
"""

import base64
import multiprocessing
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil

from bench import load
from bench.figures import Figure, at_most, table
from bench.stand import wait_for_port
from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.security.keyring import generate_key
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.webhooks import Credential
from hostaway_pipeline.wiring import services_on

ACCOUNT, ACCOUNTS, PATH = 59808, 10_000, "/webhooks/hostaway"
UNKNOWN_PER_SECOND, QUIET_SECONDS, ROUND_SECONDS, ROUNDS = 50, 10.0, 4.0, 5
SIEGE_SECONDS = 25.0
MEBIBYTE = 2**20


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
        environment |= {"HOSTAWAY_DATABASE_URL": url, "HOSTAWAY_ENCRYPTION_KEYS": keys, "HOSTAWAY_LOG_LEVEL": "ERROR"}
        process = subprocess.Popen([sys.executable, "-m", "webhook_receiver", "--port", str(port)], env=environment)
        try:
            wait_for_port(port)
            yield Receiver(port, psutil.Process(process.pid), credential)
        finally:
            process.terminate()
            process.wait()


def request(login: str, address: str = "", body: bytes = b"{}") -> bytes:
    token = base64.b64encode(f"{login}:wrong".encode()).decode()
    forwarded = f"X-Forwarded-For: {address}\r\n" if address else ""
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n{forwarded}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


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
    """Fifty unknown logins a second, each another one."""
    number, began = 0, time.monotonic()
    connection = socket.create_connection(("127.0.0.1", port))
    while not ended.is_set():
        number += 1
        connection.sendall(request(f"unknown-{number}", f"198.51.{number // 250 % 250}.{number % 250}"))
        connection.recv(65536)
        time.sleep(max(0.0, began + number / UNKNOWN_PER_SECOND - time.monotonic()))
    connection.close()


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
    alone, beside = [], []
    for number in range(1, ROUNDS + 1):
        alone.append(p99(found, number * 20_000_000))
        with meanwhile(knock, found):
            beside.append(p99(found, number * 20_000_000 + 10_000_000))
    case = f"{ACCOUNTS:,} accounts, {UNKNOWN_PER_SECOND} unknown logins a second"
    quiet, loud = statistics.median(alone), statistics.median(beside)
    return [
        at_most(f"{case}: of a core", share, 10, " %", "none"),
        at_most(f"{case}: p99 of right deliveries", loud / quiet, 1.2, "×", f"without them: {quiet:.1f} ms"),
    ]


class Siege:
    """Endless headers and URLs, slow bodies, idle connections, and wrong logins from everywhere, all at once."""

    def __init__(self, port: int, credential: Credential) -> None:
        self._port = port
        right = base64.b64encode(f"{credential.login}:{credential.password}".encode())
        self._slow = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n" % (
            PATH.encode(), right, MEBIBYTE,
        )  # fmt: skip

    def run(self, ended: Event) -> None:
        works = [self.idle, self.slow_bodies, self.wrong_logins]
        works += [lambda e: self.endless(b"GET / HTTP/1.1\r\nX-Endless: ", e), lambda e: self.endless(b"GET /", e)]
        threads = [threading.Thread(target=work, args=(ended,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=5)

    def idle(self, ended: Event) -> None:
        held: list[socket.socket] = []
        while not ended.is_set():
            if len(held) < 2_000:
                with suppress(OSError):
                    held.append(self.connect())
            else:
                time.sleep(0.05)
        for one in held:
            one.close()

    def slow_bodies(self, ended: Event) -> None:
        """Three hundred bodies of a mebibyte with right credentials, each some bytes a second."""
        held: list[socket.socket] = []
        while not ended.is_set():
            while len(held) < 300:
                one = self.connect()
                one.sendall(self._slow)
                held.append(one)
            alive = []
            for one in held:
                with suppress(OSError):
                    one.sendall(b"x" * 2048)
                    alive.append(one)
            held = alive
            time.sleep(0.2)
        for one in held:
            one.close()

    def endless(self, begin: bytes, ended: Event) -> None:
        while not ended.is_set():
            with suppress(OSError), self.connect() as one:
                one.sendall(begin)
                for _ in range(200 * 16):
                    one.sendall(b"u" * 65536)

    def wrong_logins(self, ended: Event) -> None:
        """Sixty thousand addresses, as a trusted proxy tells them."""
        selector = selectors.DefaultSelector()
        number = 0
        for _ in range(8):
            one = self.connect()
            selector.register(one, selectors.EVENT_READ)
            one.sendall(request("somebody", "203.0.113.1"))
        while not ended.is_set() and number < 60_000:
            for key, _ in selector.select(0.1):
                number += 1
                address = f"10.{number // 62500}.{number // 250 % 250}.{number % 250}"
                one = key.fileobj
                assert isinstance(one, socket.socket)
                try:
                    one.recv(65536)
                    one.sendall(request("somebody", address))
                except OSError:  # it had to make room for others
                    selector.unregister(one)
                    again = self.connect()
                    selector.register(again, selectors.EVENT_READ)
                    again.sendall(request("somebody", address))
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()


def besiege(port: int, credential: Credential, ended: Event) -> None:
    Siege(port, credential).run(ended)


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
