"""The push journey as processes of their own: a receiver and a drainer on a Postgres that may be killed, too.

The drainer is a plain loop, which restarts within a second, or Dagster's daemon with its sensor and runs.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from hostaway_pipeline.cli.stack import script
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.sync.push.drain import drain
from hostaway_pipeline.sync.registration import ensure_webhook
from hostaway_pipeline.wiring import open_services, services_on
from tests.factories import ENCRYPTION_KEYS, add_account, make_settings

ROOT = Path(__file__).parents[2]
# Without the marts, for which each daemon would start dbt.
_WORKSPACE = "load_from: [{python_module: {module_name: hostaway_pipeline.definitions, location_name: hostaway}}]\n"


def drain_forever() -> None:
    """Drain in a loop, as Dagster does: when a drainer ends for any reason, the next begins."""
    while True:
        try:
            services = open_services(load_settings(), create=False)
            try:
                drain(services, lambda _: None, linger=1e9, lifetime=5)
            finally:
                services.close()
        except PipelineError:
            time.sleep(0.2)


class PushStack:
    """`restart(name)` kills a process with SIGKILL and starts it again."""

    def __init__(self, server: EmbeddedPostgres, home: Path, sandbox: SandboxServer, port: int) -> None:
        self.server, self.home, self.sandbox, self.port = server, home, sandbox, port
        self.url = server.url("hostaway")
        settings = make_settings(self.url, sandbox.url, public_url=f"http://127.0.0.1:{port}")
        self.services = services_on(settings, self.url)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        drainer = "from tests.acceptance.push_stack import drain_forever; drain_forever()"
        command = {
            "receiver": [sys.executable, "-m", "webhook_receiver", "--port", str(self.port)],
            "drainer": [sys.executable, "-c", drainer],
            "daemon": [script("dagster-daemon"), "run", "-w", "workspace.yaml"],
        }[name]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment |= {
            "HOSTAWAY_DATABASE_URL": self.url,
            "HOSTAWAY_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
            "HOSTAWAY_API_URL": self.sandbox.url,
            "HOSTAWAY_EGRESS": "tests",
            "HOSTAWAY_RATE_LIMIT_IP": "100000/1",
            "HOSTAWAY_RATE_LIMIT_ACCOUNT": "100000/1",
            "HOSTAWAY_LOG_LEVEL": "ERROR",
            "HOSTAWAY_DAGSTER_DATABASE_URL": self.server.url("dagster").replace(
                "postgresql:", "postgresql+psycopg2:", 1
            ),
            "DAGSTER_HOME": str(self.dagster_home),
        }
        folder = self.dagster_home if name == "daemon" else ROOT
        self._processes[name] = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    def prepare_dagster(self) -> None:
        """Create Dagster's instance folder and its database."""
        self.server.ensure_database("dagster")
        self.dagster_home.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / "dagster.yaml", self.dagster_home / "dagster.yaml")
        (self.dagster_home / "workspace.yaml").write_text(_WORKSPACE)

    def children(self, word: str) -> list[psutil.Process]:
        """The daemon's descendants, orphans included, with this word in their command line."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            environment, line = process.info["environ"] or {}, " ".join(process.info["cmdline"] or [])
            if environment.get("DAGSTER_HOME") == str(self.dagster_home) and word in line:
                found.append(process)
        return found

    def restart(self, name: str) -> None:
        if name == "postgres":
            self.kill_postgres()
            self.start_postgres()
            return
        process = self._processes[name]
        process.kill()
        process.wait()
        self.start(name)

    def kill_postgres(self) -> None:
        pid = int((self.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        postmaster = psutil.Process(pid)
        postmaster.kill()
        postmaster.wait(60)

    def start_postgres(self) -> None:
        self.server.stop()
        self.server.start()

    def wait_for_receiver(self) -> None:
        deadline = time.monotonic() + 90
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=5):
                    return
            except (URLError, OSError):
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def wait_until_applied(self, seconds: float) -> None:
        """Wait until nothing is pending, neither at the sandbox nor in the inbox."""
        assert self.sandbox.deliveries.wait_idle(seconds)
        deadline = time.monotonic() + seconds
        while self.services.inbox.state().pending:
            assert time.monotonic() < deadline, self.services.inbox.state()
            time.sleep(0.2)

    def stop(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()
        for orphan in self.children(""):
            orphan.kill()
        self.services.close()


@contextmanager
def push_stack(home: Path, sandbox: SandboxServer, port: int, drainer: str = "drainer") -> Iterator[PushStack]:
    """A stack with every account of the sandbox added and its webhook registered, but not yet synced."""
    with EmbeddedPostgres(home) as server:
        server.ensure_database("hostaway")
        stack = PushStack(server, home, sandbox, port)
        try:
            stack.services.migrate()
            stack.services.secrets.check()
            stack.start("receiver")
            if drainer == "daemon":
                stack.prepare_dagster()
            stack.start(drainer)
            stack.wait_for_receiver()
            for account_id in sandbox.world.accounts:
                add_account(stack.services, account_id)
                with stack.services.client(account_id) as client:
                    ensure_webhook(stack.services, client)
            yield stack
        finally:
            stack.stop()
