"""Dagster in this process: an ephemeral instance, and the environment of its processes."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from hostaway_pipeline.marts.project import DbtProject
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


@pytest.fixture(scope="session")
def share_manifest(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Puts dbt's manifest into a home, where the code location of the marts would make it: one for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = DbtProject.of(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)

    def put(home: Path) -> None:
        own = DbtProject.of(home)
        own.work.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(shared.manifest(), own.work)

    return put
