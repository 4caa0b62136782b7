"""The start of the process: it listens, or reports in one line why it cannot."""

import signal
import socket
import subprocess
import sys

import pytest

from tests.receiver.steps import OpenProcess, StartProcess, session


def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(
    start_process: StartProcess, environment: dict[str, str]
) -> None:
    wrong = [
        ("HOSTAWAY_API_KEYS", {"HOSTAWAY_API_KEYS": "top-secret"}),
        ("HOSTAWAY_ENCRYPTION_KEYS", {"HOSTAWAY_ENCRYPTION_KEYS": "test:top-secret"}),
        ("HOSTAWAY_ENCRYPTION_KEYS", {"HOSTAWAY_ENCRYPTION_KEYS": ""}),
        ("HOSTAWAY_PUBLIC_URL", {"HOSTAWAY_PUBLIC_URL": "http://user:top-secret@hooks.example.com"}),
        ("HOSTAWAY_WEBHOOK_SIGNATURE_SECRETS", {"HOSTAWAY_WEBHOOK_SIGNATURE_HEADER": "X-Signature"}),
    ]
    started = [(named, start_process(environment | change)) for named, change in wrong]
    for named, process in started:
        assert process.process.wait(60) == 1
        [line] = process.text.splitlines()
        assert line.startswith("hostaway: ")
        assert named in line
        assert "top-secret" not in line


@pytest.mark.parametrize("port", ["taken", "99999"])
def test_an_unusable_port_is_reported_in_one_line(
    start_process: StartProcess, environment: dict[str, str], port: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = other.getsockname()[1] if port == "taken" else int(port)
        process = start_process(environment, port=wanted)
        assert process.process.wait(60) == 1
    [line] = process.text.splitlines()
    assert line.startswith(f"hostaway: cannot listen on 127.0.0.1 port {wanted} (")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_listens_on_the_loopback_interface_and_stops_on_signals(
    open_process: OpenProcess, number: signal.Signals
) -> None:
    process = open_process()
    answer = session().get(f"{process.url}/ready", timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    assert "server" not in answer.headers
    process.process.send_signal(number)
    assert process.process.wait(60) == 0
    assert "Application shutdown complete." in process.text
    assert "Traceback" not in process.text


def test_it_imports_no_dagster() -> None:
    code = "import webhook_receiver.app, sys; assert 'dagster' not in sys.modules and 'dbt' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
