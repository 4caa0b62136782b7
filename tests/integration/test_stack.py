"""How long the processes of `hostaway up` may take to stop."""

import sys
from pathlib import Path

import pytest

from hostaway_pipeline.cli.stack import Stack
from tests.waiting import wait_until

SLOW_TO_STOP = """
import signal, sys, time
from pathlib import Path

def stop(*_: object) -> None:
    time.sleep(4)
    Path("stopped").touch()
    sys.exit()

signal.signal(signal.SIGTERM, stop)
Path("started").touch()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("argument", "may_finish"), [("webhook_receiver", True), ("multiprocessing.spawn", True), ("webserver", False)]
)
def test_only_a_process_with_work_gets_the_full_time_to_stop(tmp_path: Path, argument: str, may_finish: bool) -> None:
    with Stack(tmp_path / "logs", {}) as stack:
        stack.start("child", [sys.executable, "-c", SLOW_TO_STOP, argument], folder=tmp_path)
        wait_until((tmp_path / "started").exists)
    assert (tmp_path / "stopped").exists() == may_finish
