"""SIGTERM to long-running commands while an API never answers: no process stays, embedded Postgres included."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import pytest
import yaml

from hostaway_pipeline.cli.code_servers import LOCATIONS
from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from tests.factories import OpenSandbox, rows

API_KEY = "a-key-of-this-test"
# Measured: a second for one process, four for all of them. Without an abort it is minutes.
SOON, SOON_FOR_ALL = 30.0, 60.0


@contextmanager
def running(home: Path, *module: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process with its own home; kill what is left of it."""
    home.mkdir(exist_ok=True)
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("HOSTAWAY_", "DAGSTER_"))}
    plain.pop("PYTHONDONTWRITEBYTECODE", None)
    environment = plain | {"HOSTAWAY_HOME": str(home)} | variables
    with (home / "output").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for one in of_home(home):
            with suppress(psutil.Error):
                one.kill()
        process.wait()


def of_home(home: Path) -> list[psutil.Process]:
    """The processes started for this home, found by their environment or by the data folder in their command line."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            is_ours = one.environ().get("HOSTAWAY_HOME") == str(home) or str(home) in " ".join(one.cmdline())
            if is_ours and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def said(home: Path) -> str:
    return (home / "output").read_text(errors="replace")


def wait_until(condition: Callable[[], object], home: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, said(home)
        time.sleep(0.05)


def assert_ends(process: subprocess.Popen[bytes], home: Path, within: float) -> None:
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(120)
    took = time.monotonic() - began
    assert [" ".join(one.cmdline()) for one in of_home(home)] == []
    assert took < within
    assert "Traceback" not in said(home)


def answers(url: str) -> bool:
    with suppress(OSError), urlopen(url, timeout=5) as response:
        return bool(response.status == 200)
    return False


def test_the_sandbox_ends(embedded_folder: Path) -> None:
    home, port = embedded_folder / "sandbox", free_port()
    with running(home, "hostaway_pipeline", "sandbox", "--port", str(port), "--traffic", "5") as process:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/_sandbox/counters"), home)
        assert_ends(process, home, SOON)


def test_a_receiver_that_asks_hostaway_ends_and_stops_the_embedded_postgres(
    open_sandbox: OpenSandbox, embedded_folder: Path
) -> None:
    home, port, sandbox = embedded_folder / "receiver", free_port(), open_sandbox("1:2:5")
    with running(home, "hostaway_pipeline", "db", "migrate") as migrating:
        assert migrating.wait(120) == 0, said(home)
    sandbox.faults.update(hang_share=1.0)
    variables = {"HOSTAWAY_API_URL": sandbox.url, "HOSTAWAY_API_KEYS": API_KEY}
    with running(home, "webhook_receiver", "--port", str(port), **variables) as process:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/ready"), home)
        body = json.dumps({"account_id": 1, "client_secret": "sandbox-secret-1"}).encode()
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}

        def add() -> None:
            with suppress(OSError):
                urlopen(Request(f"http://127.0.0.1:{port}/accounts", body, headers), timeout=60).close()

        threading.Thread(target=add, daemon=True).start()
        wait_until(lambda: sandbox.counters.max_in_flight, home)
        assert_ends(process, home, SOON)


def test_everything_ends_with_a_run_in_flight(
    open_sandbox: OpenSandbox, embedded_folder: Path, share_manifest: Callable[[Path], None]
) -> None:
    home, sandbox = embedded_folder / "up", open_sandbox("1:2:40")
    ports = ["--port", str(free_port()), "--receiver-port", str(free_port())]
    share_manifest(home)
    variables = {"HOSTAWAY_API_URL": sandbox.url}
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("HOSTAWAY_", "DAGSTER_"))}
    subprocess.run(
        [sys.executable, "-m", "hostaway_pipeline", "accounts", "add", "1", "--secret-stdin"],
        env=plain | variables | {"HOSTAWAY_HOME": str(home)},
        cwd=home,
        input=b"sandbox-secret-1\n",
        check=True,
    )
    sandbox.counters.reset()
    sandbox.faults.update(hang_share=1.0)
    with running(home, "hostaway_pipeline", "up", *ports, **variables) as process:
        wait_until(lambda: sandbox.counters.max_in_flight >= 1, home)
        assert_ends(process, home, SOON_FOR_ALL)
    with EmbeddedPostgres(home) as server:
        statuses = [row["status"] for row in rows(server.url("hostaway"), "SELECT status FROM hostaway.sync_runs")]
    assert set(statuses) == {"interrupted"}


@pytest.mark.parametrize("moment", ["starting", "arriving"])
def test_a_demo_ends(embedded_folder: Path, moment: str, share_manifest: Callable[[Path], None]) -> None:
    home = embedded_folder / f"demo-{moment}"
    if moment == "arriving":  # the other one ends while dbt makes it
        share_manifest(home / "demo")
    ports = ["--port", str(free_port()), "--receiver-port", str(free_port())]
    with running(home, "hostaway_pipeline", "demo", *ports) as process:
        logs = {"starting": "receiver.log", "arriving": "dagster-daemon.log"}
        wait_until(lambda: list(home.rglob(logs[moment])), home)
        wait_until(lambda: moment == "starting" or "reservations" in said(home), home)
        assert_ends(process, home, SOON_FOR_ALL)


def test_there_is_one_code_server_per_location_and_all_ends_with_it(
    embedded_folder: Path, share_manifest: Callable[[Path], None]
) -> None:
    home, port = embedded_folder / "code-servers", free_port()
    share_manifest(home)
    with running(home, "hostaway_pipeline", "up", "--port", str(port), "--receiver-port", str(free_port())) as process:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/server_info"), home)
        servers = [one for one in of_home(home) if {"api", "grpc"} <= set(one.cmdline())]
        modules = [line[line.index("--module-name") + 1] for line in (one.cmdline() for one in servers)]
        assert sorted(modules) == sorted(LOCATIONS.values())
        servers[0].kill()
        assert process.wait(SOON_FOR_ALL) != 0
        assert [" ".join(one.cmdline()) for one in of_home(home)] == []
        assert "code-" in said(home).splitlines()[-1]


def test_the_shipped_workspace_names_the_same_locations() -> None:
    shipped = yaml.safe_load((Path(__file__).parents[2] / "workspace.yaml").read_text())["load_from"]
    assert {one["python_module"]["location_name"]: one["python_module"]["module_name"] for one in shipped} == LOCATIONS
