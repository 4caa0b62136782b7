"""A signal unwinds a process once: what cleans up is not broken by another one, and `nohup` is respected."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys, time
if "nohup" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
from hostaway_pipeline.stopping import unwind_on_signals
unwind_on_signals()
try:
    print("at work", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("unwinding", flush=True)
    time.sleep(1)
    print("cleaned up", flush=True)
"""


def started(*arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    return process


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_clean_up_is_not_broken_by_another_signal(first: signal.Signals) -> None:
    process = started()
    process.send_signal(first)
    assert process.stdout is not None
    assert process.stdout.readline() == "unwinding\n"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
    assert process.communicate(timeout=30)[0] == "cleaned up\n"
    assert process.returncode == 0


def test_a_closed_terminal_does_not_end_what_nohup_started() -> None:
    process = started("nohup")
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[0] == "unwinding\ncleaned up\n"
