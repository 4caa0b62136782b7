"""One synced account, and a reservation of it to send messages to."""

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from tests.factories import OpenSandbox
from tests.integration.sending.steps import ACCOUNT


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:2:10", send_limit=None)


@pytest.fixture
def reservation_id(account: Account) -> int:
    """A reservation with a single conversation."""
    named = [payload["reservationId"] for payload in account.truth("conversations")]
    return next(one for one in named if one is not None and named.count(one) == 1)
