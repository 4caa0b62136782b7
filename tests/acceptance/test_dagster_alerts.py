"""A failed run is told to people: in the log, and to a URL of theirs."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from dagster import DagsterInstance, Failure, build_run_status_sensor_context, job, op

from hostaway_pipeline.defs.alerts import failed_runs_sensor
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import OpenSandbox, OpenServices


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("59808:1:2")


@pytest.fixture
def services(open_services: OpenServices, sandbox: SandboxServer) -> Services:
    return open_services(sandbox)


@op
def broken() -> None:
    raise Failure("account 59808: password=sesame was refused for guest@example.com\nDETAIL: a row of a guest")


@job(tags={"dagster/partition": "59808", "hostaway/account": "Seaside"})
def broken_job() -> None:
    broken()


class Chat(BaseHTTPRequestHandler):
    """Answers with `status` and keeps what it was sent."""

    status = 200
    told: list[dict[str, str]]

    def do_POST(self) -> None:
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def chat() -> Iterator[tuple[type[Chat], str]]:
    handler = type("OneChat", (Chat,), {"told": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_address[1]}/hooks/secret-token"
    server.shutdown()
    server.server_close()


def look_at_a_failed_run(instance: DagsterInstance) -> str:
    """What the sensor logs."""
    result = broken_job.execute_in_process(instance=instance, raise_on_error=False)
    event = next(event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE")
    context = build_run_status_sensor_context(
        sensor_name="failed_runs_sensor",
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()
    logged: list[str] = []
    context.log.error = context.log.warning = logged.append  # type: ignore[method-assign]
    failed_runs_sensor(context)
    return "\n".join(logged)


@pytest.mark.parametrize("status", [200, 500, 302])
def test_a_failed_run_is_posted_without_what_is_private(
    instance: DagsterInstance, chat: tuple[type[Chat], str], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    handler, url = chat
    handler.status = status
    monkeypatch.setenv("HOSTAWAY_ALERT_URL", url)
    logged = look_at_a_failed_run(instance)
    [told] = handler.told
    assert told["text"].startswith("broken_job of account 59808 (Seaside) failed: account 59808: password=")
    assert (told["job"], told["account_id"]) == ("broken_job", "59808")
    assert told["run_id"]
    for private in ("sesame", "guest@", "DETAIL", "row"):
        assert private not in json.dumps(told) + logged
    assert ("HOSTAWAY_ALERT_URL: HTTP" in logged) == (status != 200)
    assert "secret-token" not in logged


def test_without_a_url_it_is_logged(instance: DagsterInstance) -> None:
    assert look_at_a_failed_run(instance).startswith("broken_job of account 59808 (Seaside) failed: ")


def test_a_url_that_is_away_does_not_fail_the_sensor(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTAWAY_ALERT_URL", "http://127.0.0.1:1/hooks/secret-token")
    logged = look_at_a_failed_run(instance)
    assert "HOSTAWAY_ALERT_URL: no answer (ConnectionError)" in logged
    assert "secret-token" not in logged
