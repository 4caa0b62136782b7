"""One account that is synced, and a reservation of it to write to."""

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from tests.factories import add_account, synced
from tests.integration.sending.steps import ACCOUNT, OpenSandbox, OpenServices


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:2:10", send_limit=None)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    """An account that is synced; Hostaway's answers are waited for for a second."""
    opened = open_services(sandbox, read_timeout=1.0)
    add_account(opened, ACCOUNT)
    synced(opened, ACCOUNT)
    return opened


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    return sandbox.world.account(ACCOUNT)


@pytest.fixture
def reservation_id(account: Account) -> int:
    """One with a single conversation."""
    named = [payload["reservationId"] for payload in account.truth("conversations")]
    return next(one for one in named if one is not None and named.count(one) == 1)
