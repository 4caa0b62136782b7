"""Steps of the receiver's tests: run it, deliver to it, call its API, and read its inbox."""

import os
import signal
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import psycopg
import requests

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.webhooks import Credential
from tests.factories import make_settings, reservation, rows
from tests.waiting import wait_until
from webhook_receiver.app import create_app
from webhook_receiver.connections import Limits
from webhook_receiver.serving import server

ACCOUNT, OTHER_ACCOUNT = 59808, 60001
KEY = "the-key-of-these-tests"
PING = b'{"data":"test"}'
HOOK = "/webhooks/hostaway"
# Of our own API.
OPERATIONS = [
    ("GET", "/accounts"),
    ("POST", "/accounts"),
    ("GET", f"/accounts/{ACCOUNT}"),
    ("PUT", f"/accounts/{ACCOUNT}"),
    ("PATCH", f"/accounts/{ACCOUNT}"),
    ("DELETE", f"/accounts/{ACCOUNT}"),
    ("POST", f"/accounts/{ACCOUNT}/sync"),
    ("GET", "/events"),
    ("POST", "/events/replay"),
    ("POST", "/guests/find"),
    ("POST", "/guests/erase"),
    ("POST", "/messages"),
]
_addresses = count()
_outputs = count()


class Receiver:
    """A running receiver, in this process (then with its `components` and `limiter`) or in one of its own."""

    def __init__(self, url: str, credential: Credential | None, components: Any = None) -> None:
        self.url = url
        self.credential = credential
        self.components = components
        self.limiter: Any = None
        self.http = session()

    def from_another_address(self) -> "Receiver":
        """As a proxy reports it, which is trusted on the loopback interface."""
        other = Receiver(self.url, self.credential, self.components)
        number = next(_addresses)
        other.http.headers["X-Forwarded-For"] = f"10.0.{number // 250}.{number % 250 + 1}"
        return other

    def post(self, body: bytes | Iterator[bytes], headers: Mapping[str, str] | None = None) -> requests.Response:
        """Post a body to the webhook unchanged, with no other headers than these."""
        given = {"Content-Type": "application/json", **(headers or {})}
        return self.http.post(self.url + HOOK, data=body, headers=given, timeout=60)

    def deliver(self, body: Any, credential: Credential | None = None, **headers: str) -> requests.Response:
        """Post a delivery with the right credentials, or with those of another account."""
        text = body if isinstance(body, bytes) else orjson.dumps(body)
        given = credential or self.credential
        assert given is not None
        return self.post(text, basic(given.login, given.password) | headers)

    def api(self, method: str, path: str, body: Any = None, key: str | None = KEY, **headers: str) -> requests.Response:
        """Call our API. A body of bytes is sent unchanged."""
        text = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        given = {} if key is None else {"Authorization": f"Bearer {key}"}
        given |= {} if text is None else {"Content-Type": "application/json"}
        return self.http.request(method, self.url + path, data=text, headers=given | headers, timeout=60)


def session() -> requests.Session:
    """Without the machine's proxies, and with room for many threads."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
    return session


def basic(login: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{login}:{password}'.encode()).decode()}"}


def delivery(payload: Any = None, event: str = "reservation.updated", **changes: Any) -> dict[str, Any]:
    """One delivery as Hostaway sends it; a key that is set to None is left out."""
    kind = "conversationMessage" if event.startswith("message.") else event.partition(".")[0]
    whole = {"object": kind, "event": event, "accountId": ACCOUNT, "data": payload or reservation(), **changes}
    return {key: value for key, value in whole.items() if value is not None}


def stored_account(database_url: str, account_id: int) -> dict[str, Any]:
    return rows(database_url, "SELECT * FROM hostaway.accounts WHERE account_id = %s", account_id)[0]


def requested_modes(database_url: str, account_id: int) -> list[str]:
    """The modes of the account that were requested and not done yet."""
    found = rows(
        database_url,
        "SELECT mode FROM hostaway.cadences WHERE account_id = %s AND requested_at IS NOT NULL ORDER BY mode",
        account_id,
    )
    return [row["mode"] for row in found]


def account_ids(database_url: str) -> list[int]:
    found = rows(database_url, "SELECT account_id FROM hostaway.accounts ORDER BY account_id")
    return [row["account_id"] for row in found]


def events(database_url: str) -> list[dict[str, Any]]:
    return rows(database_url, "SELECT * FROM hostaway.webhook_events ORDER BY id")


@contextmanager
def held_back(database_url: str, reservation_id: int) -> Iterator[None]:
    """Commits that store an event of this reservation wait until the block ends, at most for the statement's 10 s.

    A lock would fail them after a second, which a busy machine may need to release it.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS held_back (object_id bigint)")
        connection.execute(
            "CREATE OR REPLACE FUNCTION hold_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN WHILE EXISTS "
            "(SELECT FROM public.held_back WHERE object_id = new.object_id) LOOP PERFORM pg_sleep(0.01); END LOOP; "
            "RETURN new; END $$"
        )
        connection.execute(
            "CREATE OR REPLACE TRIGGER hold_back BEFORE INSERT ON hostaway.webhook_events "
            "FOR EACH ROW EXECUTE FUNCTION hold_back()"
        )
        connection.execute("INSERT INTO held_back VALUES (%s)", (reservation_id,))
        try:
            yield
        finally:
            connection.execute("DELETE FROM held_back")


@contextmanager
def running(settings: Settings, credential: Credential | None, limits: Limits | None = None) -> Iterator[Receiver]:
    """Run a receiver in a thread, on a free port of the loopback interface."""
    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    serving = server(app, grace_seconds=5, limits=limits)
    thread = threading.Thread(target=serving.run, args=([listener],), daemon=True)
    thread.start()
    wait_until(lambda: serving.started or not thread.is_alive())
    receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}", credential, app.state.receiver)
    receiver.limiter = serving.config.http_protocol_class.limiter  # type: ignore[attr-defined]
    yield receiver
    serving.should_exit = True
    thread.join(20)
    listener.close()


@contextmanager
def running_on(
    database_url: str, sandbox: SandboxServer, credential: Credential | None = None, limits: Limits | None = None
) -> Iterator[Receiver]:
    with running(make_settings(database_url, sandbox.url, api_keys=KEY), credential, limits) as receiver:
        yield receiver


class Process:
    """`python -m webhook_receiver` as a process; its output goes to a file."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *arguments: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = folder / f"receiver-{next(_outputs)}.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOSTAWAY_")}
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "webhook_receiver", "--port", str(self.port), *arguments],
                env=clean | dict(environment),
                cwd=folder,
                stdout=file,
                stderr=file,
                preexec_fn=_ordinary_signals,  # noqa: PLW1509 (it runs before any other code)
            )

    def wait_until_up(self) -> None:
        http = session()

        def is_up() -> bool:
            assert self.process.poll() is None, self.text
            try:
                return http.get(f"{self.url}/health", timeout=60).ok
            except requests.ConnectionError:
                return False

        wait_until(is_up)

    def receiver(self, credential: Credential | None = None) -> Receiver:
        return Receiver(self.url, credential)

    @property
    def text(self) -> str:
        return self.output.read_text()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def _ordinary_signals() -> None:
    """Signals that are ignored by the parent, such as a shell's background job, stay ignored in its children."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


OpenReceiver = Callable[..., Receiver]
OpenProcess = Callable[..., Process]
StartProcess = Callable[..., Process]
