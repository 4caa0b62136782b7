"""Runs `hostaway` in forks of a process that has imported it, because the imports take a second of CPU each time."""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hostaway_pipeline.cli import main

ROOT = Path(__file__).parents[2]
STREAMS = ("stdin", "stdout", "stderr")


class Forks:
    """Runs one command at a time; `parent` forks them."""

    def __init__(self, parent: "subprocess.Popen[str]", streams: Path) -> None:
        self._parent = parent
        self._streams = {name: streams / name for name in STREAMS}

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, stdin: str
    ) -> "subprocess.CompletedProcess[str]":
        self._streams["stdin"].write_text(stdin, encoding="utf-8")
        paths = [str(path) for path in self._streams.values()]
        command = {"arguments": arguments, "environment": environment, "folder": str(folder), "streams": paths}
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(f"{json.dumps(command)}\n")
        self._parent.stdin.flush()
        status = int(self._parent.stdout.readline())
        stdout, stderr = (self._streams[name].read_text(encoding="utf-8") for name in STREAMS[1:])
        return subprocess.CompletedProcess(arguments, status, stdout, stderr)


@contextmanager
def forking() -> Iterator[Forks]:
    """Start the process that forks; afterwards kill it, and with it a command that a test has left running."""
    with tempfile.TemporaryDirectory(prefix="hostaway-tests-") as streams:
        parent = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield Forks(parent, Path(streams))
        finally:
            os.killpg(parent.pid, signal.SIGKILL)
            parent.communicate()


def fork_for_each_line() -> None:
    """The parent: fork for each command that comes, and answer with its exit status. Returns in a fork only."""
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            become(json.loads(line))
            return
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()
    sys.exit()


def become(command: dict[str, Any]) -> None:
    """Turn this fork into the command: its arguments, environment, folder and standard streams."""
    sys.argv[1:] = command["arguments"]
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["folder"])
    for number, path in enumerate(command["streams"]):
        stream = os.open(path, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number else 0), 0o600)
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (the old one has read ahead)


if __name__ == "__main__":
    gc.freeze()  # or each fork, when it ends, would go through all that was imported: 0.35 s of CPU
    fork_for_each_line()
    main()
