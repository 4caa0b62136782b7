"""Dagster in this process: an ephemeral instance, and the environment of its processes."""

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import ENCRYPTION_KEYS


@pytest.fixture
def instance(
    sandbox: SandboxServer, services: Services, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterInstance]:
    """Needs the fixtures `sandbox` and `services` of the test file."""
    monkeypatch.setenv("HOSTAWAY_DATABASE_URL", database_url)
    monkeypatch.setenv("HOSTAWAY_API_URL", sandbox.url)
    monkeypatch.setenv("HOSTAWAY_EGRESS", "tests")
    monkeypatch.setenv("HOSTAWAY_ENCRYPTION_KEYS", ENCRYPTION_KEYS)
    monkeypatch.setenv("HOSTAWAY_RATE_LIMIT_IP", "100000/1")
    monkeypatch.setenv("HOSTAWAY_RATE_LIMIT_ACCOUNT", "100000/1")
    with DagsterInstance.ephemeral() as instance:
        yield instance
