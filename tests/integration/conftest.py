"""Services whose accounts are synced once, and the first of these accounts. A file says with which `sandbox`."""

from typing import Any

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from tests.factories import OpenServices
from tests.first_syncs import after_first_sync


@pytest.fixture
def options() -> dict[str, Any]:
    """Settings that differ from the default; a file overrides it."""
    return {}


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices, options: dict[str, Any]) -> Services:
    """Every account of the sandbox is added and synced; the sandbox has forgotten the calls."""
    services = open_services(sandbox, **options)
    after_first_sync(services, sandbox)
    sandbox.counters.reset()
    return services


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    """The sandbox's first account."""
    return next(iter(sandbox.world.accounts.values()))
