"""Fixtures: running sandboxes, a client that holds a usable token, and a receiver of webhooks."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig, secret_for
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from tests.sandbox import market
from tests.sandbox.receiver import Receiver

ACCOUNT_ID = 59808
HOOKS = "/webhooks/unifiedWebhooks"
MARKETS = [
    ("59808:7:787", 1),
    ("59808:7:787", 2),
    ("3:12:2000", 3),
    ("4:3:40", 1),
    ("5:1:300", 4),
    ("6:0:30", 1),
    ("9:120:130", 6),
]
LARGE_MARKETS = [("59808:7:787", 1), ("59808:7:787", 2), ("3:12:2000", 3), ("8:20:3000", 5)]
"""Spec and seed."""
UNLIMITED = {"ip_limit": None, "account_limit": None, "token_delay": 0.0, "window": 600.0}
"""Limits that a test sets hold for its length, however slow the machine is."""


class Api:
    """A client of a sandbox that follows Hostaway's reference and returns whole answers."""

    def __init__(self, server: SandboxServer, account_id: int = ACCOUNT_ID) -> None:
        self.server = server
        self.account_id = account_id
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {self.ask_token().json().get('access_token')}"

    def as_account(self, account_id: int) -> "Api":
        """The same sandbox, as another account."""
        return Api(self.server, account_id)

    def with_new_token(self) -> "Api":
        return Api(self.server, self.account_id)

    @property
    def account(self) -> Account:
        return self.server.world.account(self.account_id)

    def ask_token(self, **changes: str) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": str(self.account_id),
            "client_secret": secret_for(self.account_id),
            "scope": "general",
        }
        return requests.post(f"{self.server.url}/accessTokens", data=form | changes, timeout=60)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.http.get(f"{self.server.url}{path}", params=query, timeout=60)

    def statuses(self, count: int, path: str = "/listings") -> list[int]:
        """The statuses of `count` GETs in a row."""
        return [self.get(path).status_code for _ in range(count)]

    def result(self, path: str, **query: Any) -> Any:
        return self.get(path, **query).json()["result"]

    def post(self, path: str, body: Any) -> requests.Response:
        return self.http.post(f"{self.server.url}{path}", json=body, timeout=60)

    def put(self, path: str, body: Any) -> requests.Response:
        return self.http.put(f"{self.server.url}{path}", json=body, timeout=60)

    def delete(self, path: str) -> requests.Response:
        return self.http.delete(f"{self.server.url}{path}", timeout=60)

    def register(self, url: str, **settings: Any) -> int:
        """Register a webhook and wait until its URL has been tested; returns its id."""
        answer = self.post(HOOKS, {"url": url} | settings).json()
        self.wait_idle()
        webhook_id: int = answer["result"]["id"]
        return webhook_id

    def touch(self, times: int = 1) -> None:
        """Cause one event for each of the first reservations."""
        for reservation_id in list(self.account.reservations)[:times]:
            self.account.touch_reservation(reservation_id)

    def any_reservation(self) -> int:
        return list(self.account.reservations)[5]

    def any_conversation(self) -> int:
        return next(iter(self.account.conversations))

    def messages_path(self) -> str:
        return f"/conversations/{self.any_conversation()}/messages"

    def wait_idle(self) -> dict[str, Any]:
        """Wait until no delivery is pending; returns the counts."""
        assert self.server.deliveries.wait_idle(30)
        return self.server.deliveries.counts()

    def control(self, path: str, body: Any = None) -> requests.Response:
        method = "GET" if body is None else "POST"
        return requests.request(method, f"{self.server.root_url}/_sandbox{path}", json=body, timeout=60)

    def sweep(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All rows: advances by the number of rows received and stops at an empty page."""
        rows: list[dict[str, Any]] = []
        while page := self.result(path, offset=len(rows), **query):
            rows += page
        return rows


Start = Callable[..., Api]


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """A shared sandbox that no test changes: 787 reservations, no limits."""
    with make_server() as server:
        yield Api(server)


@pytest.fixture
def start(stopper: ThreadPoolExecutor) -> Iterator[Start]:
    """Starts sandboxes of this test's own, as in `start(latency=0.1)`: small, and without limits by default."""
    servers: list[SandboxServer] = []

    def start_one(spec: str = f"{ACCOUNT_ID}:3:40", **options: Any) -> Api:
        server = make_server(spec, **options)
        servers.append(server.__enter__())
        return Api(servers[-1])

    yield start_one
    for server in servers:
        stopper.submit(server.stop)


@pytest.fixture
def fresh(start: Start) -> Api:
    """A sandbox of this test's own whose counters do not include the token request."""
    api = start()
    api.server.counters.reset()
    return api


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def hooked(api: Api, receiver: Receiver) -> Api:
    """The module's own `api`, with a webhook at the receiver."""
    api.register(receiver.url)
    return api


@pytest.fixture
def start_hooked(start: Start, receiver: Receiver) -> Start:
    """Like `start`, with a webhook at the receiver (its id is 1)."""

    def start_one(**options: Any) -> Api:
        api = start(**options)
        api.register(receiver.url)
        return api

    return start_one


def make_server(spec: str = f"{ACCOUNT_ID}:7:787", **options: Any) -> SandboxServer:
    accounts = [SandboxAccount.parse(account) for account in spec.split()]
    return SandboxServer(SandboxConfig(accounts=accounts, **UNLIMITED | options))


@pytest.fixture(scope="session", params=MARKETS, ids=str)
def any_account(request: pytest.FixtureRequest) -> Account:
    """Accounts of several seeds and sizes, never changed by a test."""
    return market.account_of(*request.param)


@pytest.fixture(scope="session", params=LARGE_MARKETS, ids=str)
def large_account(request: pytest.FixtureRequest) -> Account:
    """Accounts that are large enough to hold everything that real ones show, never changed by a test."""
    return market.account_of(*request.param)


@pytest.fixture(scope="session")
def rows(large_account: Account) -> list[dict[str, Any]]:
    return market.reservations(large_account)


@pytest.fixture(scope="session")
def sold(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["status"] in market.SOLD]


@pytest.fixture(scope="session")
def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sold, with a base rate."""
    return [row for row in rows if market.is_plain(row)]
