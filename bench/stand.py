"""The test bed: an embedded Postgres, a sandbox in its own process, and `hostaway` commands as measured children."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres

_HOSTAWAY = [sys.executable, "-m", "hostaway_pipeline"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a command: its JSON report, seconds of the whole process, peak memory in MB."""

    report: dict[str, Any]
    seconds: float
    peak_mb: float


class Stand:
    """A home folder and a sandbox, and the commands that run against them."""

    def __init__(self, home: Path, sandbox_port: int, environment: dict[str, str]) -> None:
        self.home = home
        self._root = f"http://127.0.0.1:{sandbox_port}"
        self.environment = environment

    def add_account(self, account_id: int, *, with_token: bool = True, sync: bool = False) -> None:
        """Add an account. Without a token, the next sync has to request one and wait until it is usable."""
        secret = f"sandbox-secret-{account_id}\n"
        command = [*_HOSTAWAY, "accounts", "add", str(account_id), "--secret-stdin"]
        command += [] if sync else ["--no-sync"]
        subprocess.run(command, input=secret, env=self.environment, check=True, capture_output=True, text=True)
        if not with_token:
            self.psql("UPDATE hostaway.accounts SET access_token = NULL")

    def psql(self, statement: str) -> str:
        command = [*_HOSTAWAY, "db", "psql", "-At", "-c", statement]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout

    def start_sync(self, account_id: int, *options: str) -> "subprocess.Popen[bytes]":
        command = [*_HOSTAWAY, "sync", str(account_id), "--json", *options]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE)

    def sync(self, account_id: int, *options: str) -> Measured:
        """Run a sync and measure it. Raises RuntimeError when it fails: a failed run has no figure."""
        began = time.monotonic()
        process = self.start_sync(account_id, *options)
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(f"sync ended with status {process.returncode}: {output.decode()}")
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        return Measured(json.loads(output), seconds, usage.ru_maxrss / unit)

    @contextmanager
    def up(self, port: int, receiver_port: int) -> Iterator[int]:
        """Run the whole system by `hostaway up`, with webhooks; yields its process id."""
        command = [*_HOSTAWAY, "up", "--port", str(port), "--receiver-port", str(receiver_port)]
        environment = self.environment | {"HOSTAWAY_PUBLIC_URL": f"http://127.0.0.1:{receiver_port}"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        process = subprocess.Popen(command, cwd=self.home, env=environment, stdout=subprocess.DEVNULL)
        try:
            wait_for_port(receiver_port)
            wait_for_port(port)
            self.environment["HOSTAWAY_PUBLIC_URL"] = environment["HOSTAWAY_PUBLIC_URL"]
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def counters(self) -> dict[str, Any]:
        return dict(self.control("counters"))

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call a control route of the sandbox: POST with a body, otherwise GET."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(f"{self._root}/_sandbox/{path}", data=content, headers=headers)) as response:
            return json.load(response)

    def reset_counters(self) -> None:
        self.control("reset", {})


@contextmanager
def stand(
    accounts: Sequence[str],
    *,
    latency: float = 0.2,
    server: tuple[str, str] = ("200/10", "200/10"),
    client: tuple[str, str] | None = None,
    token_delay: float = 1.0,
) -> Iterator[Stand]:
    """A fresh test bed. `server` and `client` are (limit per IP, limit per account), `none` for no limit; `client`
    defaults to `server`. `token_delay`: seconds after which a new token works."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder:
        home = Path(folder)
        ip, account = ("1000000/1" if limit == "none" else limit for limit in client or server)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HOSTAWAY_")} | {
            "HOSTAWAY_HOME": str(home),
            "HOSTAWAY_API_URL": f"http://127.0.0.1:{port}/v1",
            "HOSTAWAY_RATE_LIMIT_IP": ip,
            "HOSTAWAY_RATE_LIMIT_ACCOUNT": account,
        }
        arguments = ["--port", str(port), "--latency", str(latency)]
        arguments += ["--token-delay", str(token_delay)]
        arguments += ["--limit-ip", server[0], "--limit-account", server[1]]
        specs = [part for spec in accounts for part in ("--account", spec)]
        with EmbeddedPostgres(home):
            sandbox = subprocess.Popen([*_HOSTAWAY, "sandbox", *arguments, *specs], stdout=subprocess.DEVNULL)
            try:
                made = Stand(home, port, environment)
                _wait_for_sandbox(made)
                yield made
            finally:
                sandbox.terminate()
                sandbox.wait()


def wait_for_port(port: int) -> None:
    """Wait until the port accepts connections. Raises OSError after 60 s."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _wait_for_sandbox(made: Stand) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            made.counters()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
