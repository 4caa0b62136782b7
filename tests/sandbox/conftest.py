"""A running sandbox and a client that holds a usable token."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig, secret_for
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from tests.sandbox.receiver import Receiver

ACCOUNT_ID = 59808
HOOKS = "/webhooks/unifiedWebhooks"
UNLIMITED = {"ip_limit": None, "account_limit": None, "token_delay": 0.0}


class Api:
    """Speaks to a sandbox as Hostaway's reference says, and hides nothing of the answer."""

    def __init__(self, server: SandboxServer, account_id: int = ACCOUNT_ID) -> None:
        self.server = server
        self.account_id = account_id
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {self.ask_token().json().get('access_token')}"

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
        return requests.post(f"{self.server.url}/accessTokens", data=form | changes, timeout=10)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.http.get(f"{self.server.url}{path}", params=query, timeout=10)

    def result(self, path: str, **query: Any) -> Any:
        return self.get(path, **query).json()["result"]

    def post(self, path: str, body: Any) -> requests.Response:
        return self.http.post(f"{self.server.url}{path}", json=body, timeout=10)

    def put(self, path: str, body: Any) -> requests.Response:
        return self.http.put(f"{self.server.url}{path}", json=body, timeout=10)

    def delete(self, path: str) -> requests.Response:
        return self.http.delete(f"{self.server.url}{path}", timeout=10)

    def register(self, url: str, **settings: Any) -> int:
        """A webhook's id, once its URL has been tried."""
        answer = self.post(HOOKS, {"url": url} | settings).json()
        self.settled()
        webhook_id: int = answer["result"]["id"]
        return webhook_id

    def touch(self, times: int = 1) -> None:
        """One event each for the first reservations."""
        for reservation_id in list(self.account.reservations)[:times]:
            self.account.touch_reservation(reservation_id)

    def any_reservation(self) -> int:
        return list(self.account.reservations)[5]

    def settled(self) -> dict[str, Any]:
        """The counts of deliveries once nothing is pending."""
        assert self.server.deliveries.wait_idle(30)
        return self.server.deliveries.counts()

    def control(self, path: str, body: Any = None) -> requests.Response:
        method = "GET" if body is None else "POST"
        return requests.request(method, f"{self.server.root_url}/_sandbox{path}", json=body, timeout=10)

    def sweep(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All rows, advancing by what came and stopping at an empty page."""
        rows: list[dict[str, Any]] = []
        while page := self.result(path, offset=len(rows), **query):
            rows += page
        return rows


Start = Callable[..., Api]


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """Never changed by a test: 787 reservations, no limits."""
    with started() as server:
        yield Api(server)


@pytest.fixture(scope="session")
def stopper() -> Iterator[ThreadPoolExecutor]:
    """Stopping a server takes uvicorn 0.2 s: tests need not wait for it."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def start(stopper: ThreadPoolExecutor) -> Iterator[Start]:
    """Start a sandbox of this test's own: `start(latency=0.1)`; small, and without limits unless told."""
    servers: list[SandboxServer] = []

    def start_one(spec: str = f"{ACCOUNT_ID}:3:40", **options: Any) -> Api:
        server = started(spec, **options)
        servers.append(server.__enter__())
        return Api(servers[-1])

    yield start_one
    for server in servers:
        stopper.submit(server.stop)


@pytest.fixture
def fresh(start: Start) -> Api:
    """A sandbox whose counters have not seen the token request."""
    api = start()
    api.server.counters.reset()
    return api


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def hooked(api: Api, receiver: Receiver) -> Api:
    """The account of the module's own `api`, whose events reach the receiver."""
    api.register(receiver.url)
    return api


def started(spec: str = f"{ACCOUNT_ID}:7:787", **options: Any) -> SandboxServer:
    accounts = [SandboxAccount.parse(one) for one in spec.split()]
    return SandboxServer(SandboxConfig(accounts=accounts, **UNLIMITED | options))
