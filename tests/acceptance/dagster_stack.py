"""Dagster as processes of their own: one code server, the webserver and the daemon, with the shipped dagster.yaml."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import orjson
import psutil
import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from hostaway_pipeline.cli.stack import free_port, script
from hostaway_pipeline.sandbox.server import SandboxServer
from tests.factories import ENCRYPTION_KEYS

ROOT = Path(__file__).parents[2]
_WORKSPACE = "load_from: [{{grpc_server: {{host: localhost, port: {port}, location_name: hostaway}}}}]\n"
_MATERIALIZE = """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_BACKFILL = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


class DagsterStack:
    """`instance`: the storage that all processes share."""

    def __init__(self, home: Path, url: str, dagster_url: str, sandbox: SandboxServer) -> None:
        self.home, self._code_port, self._web_port = home, free_port(), free_port()
        home.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / "dagster.yaml", home / "dagster.yaml")
        (home / "workspace.yaml").write_text(_WORKSPACE.format(port=self._code_port))
        plain = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        self._environment = plain | {
            "DAGSTER_HOME": str(home),
            "HOSTAWAY_HOME": str(home),
            "HOSTAWAY_DATABASE_URL": url,
            "HOSTAWAY_DAGSTER_DATABASE_URL": dagster_url.replace("postgresql:", "postgresql+psycopg2:", 1),
            "HOSTAWAY_EGRESS": "tests",
            "HOSTAWAY_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
            "HOSTAWAY_API_URL": sandbox.url,
            "HOSTAWAY_READ_TIMEOUT": "300",
            "HOSTAWAY_SWEEPERS": "1",
            "HOSTAWAY_RATE_LIMIT_IP": "100000/1",
            "HOSTAWAY_RATE_LIMIT_ACCOUNT": "100000/1",
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOSTAWAY_DAGSTER_DATABASE_URL", self._environment["HOSTAWAY_DAGSTER_DATABASE_URL"])
            self.instance = DagsterInstance.from_config(str(home))

    def start(self, name: str) -> None:
        module, code, web = "hostaway_pipeline.definitions", str(self._code_port), str(self._web_port)
        command = {
            "code": [sys.executable, "-m", "dagster", "api", "grpc", "-m", module, "-p", code],
            "web": [script("dagster-webserver"), "--host", "127.0.0.1", "--port", web, "-w", "workspace.yaml"],
            "daemon": [script("dagster-daemon"), "run", "-w", "workspace.yaml"],
        }[name]
        with (self.home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, cwd=self.home, env=self._environment, stdout=log, stderr=log
            )

    def start_all(self) -> None:
        self.start_work()
        self.start("web")
        wait_until("the webserver's answer", self._answers, 200)

    def start_work(self) -> None:
        """Start what runs need. A daemon that does not find the code server fails backfills that are under way."""
        self.start("code")
        wait_until("the code server's answer", self._serves_code, 200)
        self.start("daemon")

    def kill_all(self, *spared: psutil.Process) -> None:
        """Kill all processes, runs included, with SIGKILL."""
        while found := [process for process in self._running() if process not in spared]:
            for process in found:
                process.kill()
            for child in self._processes.values():
                child.wait()
            psutil.wait_procs(found, 10)

    def runs(self, *statuses: DagsterRunStatus, **filters: Any) -> list[DagsterRun]:
        return list(self.instance.get_runs(RunsFilter(statuses=list(statuses), **filters)))

    def process_of(self, run: DagsterRun) -> psutil.Process:
        (event,) = (
            entry
            for entry in self.instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
            if entry.dagster_event and (entry.dagster_event.message or "").startswith("Executing steps in process")
        )
        found = re.search(r"pid: (\d+)", str(event.dagster_event))
        assert found is not None
        return psutil.Process(int(found[1]))

    def materialize(self, entity: str, partition: str) -> str:
        """As the button "Materialize" does. Return the run's id."""
        selector = {
            "repositoryLocationName": "hostaway",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": ["hostaway", entity]}],
            "assetCheckSelection": [],
        }
        tags = [{"key": "dagster/partition", "value": partition}]
        params = {"mode": "default", "selector": selector, "executionMetadata": {"tags": tags}, "runConfigData": "{}"}
        return str(self._mutate(_MATERIALIZE, params)["run"]["runId"])

    def backfill(self, entities: list[str], partitions: list[str]) -> None:
        """As the backfill dialogue does."""
        keys = [{"path": ["hostaway", entity]} for entity in entities]
        self._mutate(_BACKFILL, {"assetSelection": keys, "partitionNames": partitions})

    def _mutate(self, query: str, params: dict[str, Any]) -> dict[str, Any]:
        body = orjson.dumps({"query": query, "variables": {"params": params}})
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(f"http://127.0.0.1:{self._web_port}/graphql", body, headers), timeout=60) as response:
            answer = orjson.loads(response.read())
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        assert "message" not in found, found
        return dict(found)

    def _answers(self) -> bool:
        ended = [name for name, process in self._processes.items() if process.poll() is not None]
        assert not ended, (self.home / f"{ended[0]}.log").read_text()[-2000:]
        with (
            suppress(URLError, OSError),
            urlopen(f"http://127.0.0.1:{self._web_port}/server_info", timeout=5) as response,
        ):
            return bool(response.status == 200)
        return False

    def _running(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                is_ours = process.environ().get("DAGSTER_HOME") == str(self.home)
                if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def _serves_code(self) -> bool:
        with suppress(OSError), socket.create_connection(("localhost", self._code_port), timeout=5):
            return True
        return False

    def stop(self) -> None:
        self.kill_all()
        self.instance.dispose()


def wait_until(what: str, condition: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.2)
