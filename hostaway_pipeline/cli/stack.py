"""Runs the processes of `hostaway up`: starts them in order, watches them, and stops them together."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from hostaway_pipeline.errors import ConfigurationError, PipelineError
from hostaway_pipeline.stopping import stop_signals_deferred

_HOST = "127.0.0.1"
# A run in flight needs some seconds to abort its requests and record its result, and the receiver to answer what it has
# accepted. Dagster's servers have nothing to finish, but may take long to end.
_STOP_SECONDS, _STOP_SECONDS_WITHOUT_WORK = 8.0, 2.5
# How Dagster's code servers start the process of a run, and the module that is the receiver.
_RUN_COMMAND, _RECEIVER = "multiprocessing.spawn", "webhook_receiver"
_KILL_SECONDS = 2
_LOG_BYTES = 20_000_000
_LOWEST_PORT, _PORTS = 20_000, 12_000
_given_ports: set[int] = set()
# Each run starts a new interpreter, which would compile every module again without cached bytecode.
_NOT_INHERITED = ("PYTHONDONTWRITEBYTECODE",)


class ProcessEnded(PipelineError):
    """A process of the stack ended unexpectedly, or did not become ready in time."""


class Stack:
    """Child processes in sessions of their own, so that Ctrl-C reaches only this process, which stops them in order."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.logs = logs
        inherited = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
        self._environment = inherited | dict(environment)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], *, folder: Path) -> None:
        """Start a child that logs to `logs/<name>.log` and runs in `folder`, which must not contain a `.env`."""
        with self.log(name).open("ab") as log, stop_signals_deferred():  # an interrupt would orphan the child
            self._children[name] = subprocess.Popen(
                command,
                cwd=folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def check(self) -> None:
        """Raises ProcessEnded when a child has ended. Call it every second or so: it also keeps the logs small."""
        for name, child in self._children.items():
            if (status := child.poll()) is not None:
                raise ProcessEnded(f"{name} ended with status {status}; see the end of {self.log(name)}")
            _rotate(self.log(name))

    def wait_for(self, url: str, *, seconds: float) -> None:
        """Wait until the URL answers 200. Raises ProcessEnded when a child ends, or after `seconds`."""
        self._wait(url, partial(_answers, url), seconds)

    def wait_for_socket(self, path: Path, *, seconds: float) -> None:
        """Wait until the Unix socket accepts connections. Raises as `wait_for` does."""
        self._wait(path.name, partial(_accepts, path), seconds)

    def run_forever(self) -> None:
        while True:
            self.check()
            time.sleep(1)

    def stop(self) -> None:
        """Send SIGTERM to all sessions, newest child first; kill what is left, code servers and runs included."""
        children = list(reversed(self._children.values()))
        with _uninterrupted():
            for child in children:
                _signal_session(child, signal.SIGTERM)
            _wait_for_end(children, _STOP_SECONDS_WITHOUT_WORK)
            if any(_has_work(child) for child in children):
                _wait_for_end(children, _STOP_SECONDS - _STOP_SECONDS_WITHOUT_WORK)
            for child in children:
                _signal_session(child, signal.SIGKILL)
            # A process that has not yet exited counts as a user of the embedded Postgres, which would stay running.
            _wait_for_end(children, _KILL_SECONDS)
            for child in children:
                child.wait()
            self._children.clear()

    def _wait(self, name: str, is_there: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_there():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessEnded(f"{name} did not answer within {seconds:.0f} s; see the logs in {self.logs}")
            time.sleep(0.2)


def _rotate(log: Path) -> None:
    """Move what a large log holds to `<name>.log.1`. The child keeps its open file: it appends, so at the start again.

    A line that it writes between the two steps is lost.
    """
    if log.stat().st_size > _LOG_BYTES:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


def _signal_session(leader: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, number)


def _wait_for_end(children: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_is_alive(child) for child in children):
        time.sleep(0.05)


def _is_alive(leader: subprocess.Popen[bytes]) -> bool:
    """Whether a process of this child's session is left."""
    return leader.poll() is None or any(True for _ in _session(leader))


def _has_work(leader: subprocess.Popen[bytes]) -> bool:
    """Whether a Dagster run is in flight in this child's session, or the child is the receiver and still alive."""
    return any(
        _RUN_COMMAND in argument or argument == _RECEIVER for command in _session(leader) for argument in command
    )


def _session(leader: subprocess.Popen[bytes]) -> Iterator[list[str]]:
    """Yield the commands of this child's session. Zombies do not count: init may be late to reap them."""
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):  # it has just ended
            if os.getsid(process.pid) == leader.pid and process.status() != psutil.STATUS_ZOMBIE:
                yield process.cmdline()


def script(name: str) -> str:
    """The path of a console script in this Python's environment, which need not be on the PATH."""
    return str(Path(sys.executable).parent / name)


def require_free(port: int, option: str) -> None:
    """Raises ConfigurationError when this port of the loopback interface cannot be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be used ({error.strerror}); choose another with {option}"
            ) from None


def free_port() -> int:
    """Return a free port below the ephemeral range, so that no outgoing connection takes it before its server starts,
    or while it restarts. No port is returned twice in one process."""
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_PORTS)
        if port in _given_ports:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind((_HOST, port))
            _given_ports.add(port)
            return port


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 (a loopback URL of our own)
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore signals, so that a second Ctrl-C cannot leave children behind."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    earlier = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, earlier, strict=True):
            signal.signal(number, handler)
