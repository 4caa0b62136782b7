"""How long the processes of `hostaway up` may take to stop."""

import subprocess
import sys
from pathlib import Path

import pytest

from hostaway_pipeline.cli.stack import Stack
from tests.waiting import wait_until

SLOW_TO_STOP = """
import signal, sys, time
from pathlib import Path

def stop(*_: object) -> None:
    time.sleep(float(sys.argv[2]))
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
    """This machine may make one of several children too slow for the time that it gets."""

    def has_finished(seconds: str) -> bool:
        (tmp_path / "started").unlink(missing_ok=True)
        with Stack(tmp_path / "logs", {}) as stack:
            stack.start("child", [sys.executable, "-c", SLOW_TO_STOP, argument, seconds], folder=tmp_path)
            wait_until((tmp_path / "started").exists)
        return (tmp_path / "stopped").exists()

    assert any(has_finished("3.5") for _ in range(3)) if may_finish else not has_finished("60")


TALKATIVE = """
import sys, time
while True:
    print("x" * 999_999, flush=True)
    time.sleep(0.01)
"""


def test_logs_are_rotated_while_their_process_writes(tmp_path: Path) -> None:
    def is_rotated() -> bool:
        stack.check()
        return (tmp_path / "child.log.1").exists()

    with Stack(tmp_path, {}) as stack:
        stack.start("child", [sys.executable, "-c", TALKATIVE], folder=tmp_path)
        wait_until(is_rotated)
        size = stack.log("child").stat().st_size
        wait_until(lambda: stack.log("child").stat().st_size > size + 1_000_000)
    assert (tmp_path / "child.log.1").stat().st_size >= 20_000_000
    written = stack.log("child").read_bytes()
    assert set(written.replace(b"\n", b"")) == set(b"x"), "no gap of zeros before what came later"


# Each round sends the signal at another moment of the start; without deferring it, a few of the children are lost.
STARTS = """
import os, random, signal, sys, threading
from pathlib import Path
import psutil
from hostaway_pipeline import stopping
from hostaway_pipeline.cli.stack import Stack

stopping._CLEAN_UP_SECONDS = 0.0
stopping.unwind_on_signals()
choice = random.Random(7)
for _ in range(100):
    killer = threading.Timer(choice.uniform(0, 0.004), os.kill, (os.getpid(), signal.SIGTERM))
    stack = Stack(Path(sys.argv[1]), {})
    try:
        killer.start()
        with stack:
            stack.start("child", ["/bin/sleep", "60"], folder=stack.logs)
            threading.Event().wait(60)
    except KeyboardInterrupt:
        pass
    killer.join()
    left = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    for child in left:
        child.kill()
    if left:
        sys.exit("a child was left behind")
"""


def test_a_signal_while_a_child_is_started_leaves_no_child(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS, str(tmp_path)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0
