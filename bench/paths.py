"""Counts the product files that a delivery, a page and a sent message enter: what a reader opens to follow one.

Records the file of every call, in all threads; settings, log, errors and stopping are left out. A return is a file that
is entered again after it was left, by another function than before: a loop counts once, and so does a file that is
still on the stack.
"""

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from unittest.mock import patch
from urllib.request import Request, urlopen

from bench.figures import Figure, at_most, table
from bench.stand import Stand, stand, wait_for_port
from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.settings import Settings, load_settings
from hostaway_pipeline.sync.pull.request import PullRequest
from hostaway_pipeline.sync.pull.run import pull
from hostaway_pipeline.sync.push.drain import drain
from hostaway_pipeline.wiring import open_services
from webhook_receiver.app import create_app
from webhook_receiver.serving import server

ACCOUNT = 59808
ROOT = Path(__file__).resolve().parents[1]
PRODUCT = (f"{ROOT}/hostaway_pipeline/", f"{ROOT}/webhook_receiver/")
LEFT_OUT = ("settings.py", "log.py", "errors.py", "stopping.py")
API_KEY = "bench-key-of-the-three-paths"
BEFORE = {"a delivery": 31, "a page of reservations": 29, "a sent message": 42}
"""Files entered before the tree was laid out along these three journeys; at most two thirds of them may be left."""


@dataclass(slots=True)
class Visit:
    """One file on the way: under how many other files it was entered first, and the functions that entered it."""

    file: str
    depth: int
    callers: set[CodeType] = field(default_factory=set)

    @property
    def returns(self) -> int:
        return len(self.callers) - 1


class Recorder:
    """A profile function that notes the files entered while it is on, in the order of their first call."""

    def __init__(self) -> None:
        self._is_on = False
        self._visits: dict[str, Visit] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not self._is_on or not (file := product_file(frame)):
            return
        callers = list(product_frames(frame.f_back))
        files = {product_file(caller) for caller in callers}
        if file not in files:
            entered_by = callers[0].f_code if callers else frame.f_code
            self._visits.setdefault(file, Visit(file, len(files))).callers.add(entered_by)

    @contextmanager
    def recording(self) -> Iterator[list[Visit]]:
        """Yields a list that holds the visits once the block has ended."""
        visits: list[Visit] = []
        self._visits, self._is_on = {}, True
        try:
            yield visits
        finally:
            self._is_on = False
            visits += self._visits.values()


def product_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """This frame and those that called it, as far as their files count."""
    while frame:
        if product_file(frame):
            yield frame
        frame = frame.f_back


def product_file(frame: FrameType) -> str:
    """The path of the frame's file below the root, empty for a file that does not count."""
    name = frame.f_code.co_filename
    counts = name.startswith(PRODUCT) and not name.endswith(LEFT_OUT)
    return name.removeprefix(f"{ROOT}/") if counts else ""


RECORDER = Recorder()


def post(port: int, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    content = json.dumps(body).encode()
    request = Request(f"http://127.0.0.1:{port}{path}", data=content, headers=headers)
    with urlopen(request) as response:
        return dict(json.load(response))


def follow_journeys(made: Stand) -> dict[str, list[Visit]]:
    """Follow each of the three the second time it is made: what is opened or read once per process does not count."""
    with patch.dict(os.environ, made.environment | {"HOSTAWAY_API_KEYS": API_KEY}):
        threading.setprofile(RECORDER)
        sys.setprofile(RECORDER)
        try:
            return _follow_journeys(made, load_settings())
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def _follow_journeys(made: Stand, settings: Settings) -> dict[str, list[Visit]]:
    services = open_services(settings)
    credential = services.webhooks.ensure_credential(ACCOUNT)
    port = free_port()
    serving = server(create_app(settings))
    serving.config.port = port
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    wait_for_port(port)
    reservation = json.loads(
        made.psql(
            "SELECT r.raw_payload FROM hostaway.reservations r JOIN hostaway.conversations c "
            "ON c.account_id = r.account_id AND c.reservation_id = r.id ORDER BY r.id LIMIT 1"
        )
    )
    token = base64.b64encode(f"{credential.login}:{credential.password}".encode()).decode()
    basic = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    bearer = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}

    def delivery(number: int) -> None:
        data = reservation | {"guestName": f"Guest {number}", "updatedOn": f"2026-11-25 10:00:0{number}"}
        body = {"object": "reservation", "event": "reservation.updated", "accountId": ACCOUNT, "data": data}
        post(port, "/webhooks/hostaway", body, basic)
        drain(services, lambda _: None, linger=0)

    def page(_: int) -> None:
        pull(services, PullRequest(ACCOUNT, mode="refresh", entities=("reservations",)))

    def message(number: int) -> None:
        body = {"reservation_id": reservation["id"], "message": f"Hello {number}"}
        post(port, "/messages", body, bearer | {"Idempotency-Key": f"key-{number}"})

    journeys: dict[str, Callable[[int], None]] = {
        "a delivery": delivery,
        "a page of reservations": page,
        "a sent message": message,
    }
    found: dict[str, list[Visit]] = {}
    try:
        for name, travel in journeys.items():
            travel(1)
            time.sleep(0.3)  # until the receiver has seen the last connection end
            with RECORDER.recording() as found[name]:
                travel(2)
    finally:
        serving.should_exit = True
        thread.join()
        services.close()
    return found


def run() -> list[Figure]:
    with stand([f"{ACCOUNT}:2:50"], latency=0) as made:
        made.add_account(ACCOUNT, sync=True)
        made.sync(ACCOUNT)
        found = follow_journeys(made)
    for name, visits in found.items():
        print(described(name, visits))
    return [figure(name, visits) for name, visits in found.items()]


def described(name: str, visits: list[Visit]) -> str:
    """The files in the order of their first call, indented below those that called them."""
    lines = [f"{name}: {len(visits)} files, {sum(visit.returns for visit in visits)} returns"]
    for number, visit in enumerate(visits, start=1):
        again = f"  (+{visit.returns})" if visit.returns else ""
        lines.append(f"{number:4} {'  ' * visit.depth}{visit.file}{again}")
    return "\n".join([*lines, ""])


def figure(name: str, visits: list[Visit]) -> Figure:
    peer = f"before the layout along the journeys: {BEFORE[name]}; returns: {sum(visit.returns for visit in visits)}"
    return at_most(f"{name}: product files entered", len(visits), BEFORE[name] * 2 // 3, "", peer)


if __name__ == "__main__":
    print(table(run()))
