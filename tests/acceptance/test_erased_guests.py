"""A guest who was erased is in neither database any more, nor in a file: what Dagster's runs wrote included."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from hostaway_pipeline.cli.stack import script
from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.marts.definitions import defs as marts_defs
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.urls import sibling_url
from tests.factories import ENCRYPTION_KEYS, OpenSandbox, OpenServices, add_account
from tests.planted_guest import EMAIL, MARKS, deliver_webhooks, find_marks, plant_guest

ACCOUNT = 59808


@pytest.fixture
def home(tmp_path: Path, share_manifest: Callable[[Path], None]) -> Path:
    """HOSTAWAY_HOME and DAGSTER_HOME: the report, dbt's folder, Dagster's logs of runs."""
    share_manifest(tmp_path)
    shutil.copyfile(Path(__file__).parents[2] / "dagster.yaml", tmp_path / "dagster.yaml")
    return tmp_path


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:2:12")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices, home: Path) -> Services:
    services = open_services(sandbox, home=home)
    add_account(services, ACCOUNT)
    return services


@pytest.fixture
def environment(
    postgres: EmbeddedPostgres, sandbox: SandboxServer, database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    dagster = f"dagster_{time.time_ns()}"
    postgres.ensure_database(dagster)
    values = {
        "HOSTAWAY_HOME": str(home),
        "HOSTAWAY_DATABASE_URL": database_url,
        "HOSTAWAY_DAGSTER_DATABASE_URL": sibling_url(database_url, dagster).replace("://", "+psycopg2://", 1),
        "HOSTAWAY_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
        "HOSTAWAY_API_URL": sandbox.url,
        "HOSTAWAY_EGRESS": "tests",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def instance(environment: dict[str, str], home: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("accounts", [str(ACCOUNT)])
        yield instance


def run(instance: DagsterInstance, job: str, **options: Any) -> None:
    found = (marts_defs() if job == "build_marts" else build_defs()).resolve_job_def(job)
    assert found.execute_in_process(instance=instance, raise_on_error=False, **options).success


def work(instance: DagsterInstance, services: Services, sandbox: SandboxServer, ids: list[int]) -> None:
    """A full sync and webhooks, as the stack runs them."""
    config = {"ops": {"sync_entities": {"config": {"mode": "full"}}}}
    run(instance, "sync_account", partition_key=str(ACCOUNT), run_config=config)
    deliver_webhooks(services, sandbox.world.accounts[ACCOUNT], ids)
    run(instance, "drain_webhooks", run_config={"ops": {"drain_inbox": {"config": {"linger_seconds": 0}}}})


def hostaway(*arguments: str) -> str:
    done = subprocess.run([script("hostaway"), *arguments], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_nothing_is_left_of_an_erased_guest_in_databases_logs_or_pages(
    instance: DagsterInstance,
    services: Services,
    sandbox: SandboxServer,
    environment: dict[str, str],
    home: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ids = plant_guest(sandbox.world.accounts[ACCOUNT])
    dagster = environment["HOSTAWAY_DAGSTER_DATABASE_URL"].replace("+psycopg2", "")
    work(instance, services, sandbox, ids)
    run(instance, "build_marts")
    assert find_marks(environment["HOSTAWAY_DATABASE_URL"])
    assert instance.get_runs_count() == 3
    assert (home / "reports" / "portfolio.html").exists()
    assert find_marks(dagster, home) == [], "Dagster and the report have never heard of a guest"
    shown = hostaway("guests", "find", "--email", EMAIL) + hostaway("guests", "erase", "--email", EMAIL, "--yes")
    assert "reservations" in shown
    work(instance, services, sandbox, ids)
    assert find_marks(environment["HOSTAWAY_DATABASE_URL"]) == []
    assert find_marks(dagster, home) == []
    printed = capfd.readouterr()
    shown = shown.replace(EMAIL, "") + printed.out + printed.err
    assert not [mark for mark in MARKS if mark in shown]
