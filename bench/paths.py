"""How many product files a delivery, a page and a sent message enter: what a newcomer opens to follow one of them.

Every call is recorded with the file of its function, in all threads; settings, log and errors are left aside. A return
is a file that is entered again after it was left, other than by its own caller.
"""

import base64
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.request import Request, urlopen

from bench.figures import Figure, at_most, table
from bench.stand import Stand, stand, wait_for_port
from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.sync.pull.request import PullRequest
from hostaway_pipeline.sync.pull.run import pull
from hostaway_pipeline.sync.push.drain import drain
from hostaway_pipeline.wiring import open_services
from webhook_receiver.app import create_app
from webhook_receiver.serving import server

ACCOUNT = 59808
ROOT = Path(__file__).resolve().parents[1]
PRODUCT = (f"{ROOT}/hostaway_pipeline/", f"{ROOT}/webhook_receiver/")
ASIDE = ("settings.py", "log.py", "errors.py", "stopping.py")
API_KEY = "bench-key-of-the-three-paths"
# Of the files that these three entered before the tree was laid out along them, two thirds.
MOST = {"a delivery": 17, "a page of reservations": 11, "a sent message": 9}


class Recorder:
    """The files entered while it is on, in the order of their first call."""

    def __init__(self) -> None:
        self._is_on = False
        self.files: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        if event != "call" or not self._is_on or not name.startswith(PRODUCT):
            return
        name = name.removeprefix(f"{ROOT}/")
        if name not in self.files and not name.endswith(ASIDE):
            self.files.append(name)

    @contextmanager
    def recording(self) -> Iterator[list[str]]:
        self.files, self._is_on = [], True
        try:
            yield self.files
        finally:
            self._is_on = False


RECORDER = Recorder()


def post(port: int, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    content = json.dumps(body).encode()
    request = Request(f"http://127.0.0.1:{port}{path}", data=content, headers=headers)
    with urlopen(request) as response:
        return dict(json.load(response))


def followed(made: Stand) -> dict[str, list[str]]:
    """The three, each once warm: what is opened or read once per process is not part of the way."""
    os.environ |= made.environment | {"HOSTAWAY_API_KEYS": API_KEY}
    threading.setprofile(RECORDER)
    sys.setprofile(RECORDER)
    try:
        return _followed(made)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def _followed(made: Stand) -> dict[str, list[str]]:
    settings = load_settings()
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
            "ON c.account_id = r.account_id AND c.reservation_id = r.id LIMIT 1"
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

    ways: dict[str, Callable[[int], None]] = {
        "a delivery": delivery,
        "a page of reservations": page,
        "a sent message": message,
    }
    found: dict[str, list[str]] = {}
    try:
        for name, walk in ways.items():
            walk(1)
            with RECORDER.recording() as files:
                walk(2)
            found[name] = files
    finally:
        serving.should_exit = True
        thread.join()
        services.close()
    return found


def run() -> list[Figure]:
    with stand([f"{ACCOUNT}:2:50"], latency=0) as made:
        made.add_account(ACCOUNT, sync=True)
        made.sync(ACCOUNT)
        found = followed(made)
    for name, files in found.items():
        print(f"{name}: {len(files)}", *files, sep="\n  ")
    return [at_most(f"{name}: product files entered", len(f), MOST[name], "", "none") for name, f in found.items()]


if __name__ == "__main__":
    print(table(run()))
