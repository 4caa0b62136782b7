"""The sweeper job of audit trails: what it logs, and that it takes no place of a sync."""

import pytest
from dagster import AssetKey, DagsterInstance, DagsterRunStatus, RunRequest, SkipReason

from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.defs.schedules import request_sweeper
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import OpenSandbox, OpenServices, add_account, rows, synced

TRAILS = AssetKey(["hostaway", "trails"])


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:1:10")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    add_account(services, 1)
    services.cadences.plan_missing()
    synced(services, 1)
    return services


def test_it_is_defined_unless_its_share_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    defs = build_defs()
    assert TRAILS in set(defs.resolve_asset_graph().get_all_asset_keys())
    assert {"trails_schedule"} <= {schedule.name for schedule in defs.schedules or []}
    monkeypatch.setenv("HOSTAWAY_TRAILS_SHARE", "0")
    assert TRAILS not in set(build_defs().resolve_asset_graph().get_all_asset_keys())
    assert "trails" not in {job.name for job in build_defs().jobs or []}


def test_a_run_reads_trails_and_shows_how_many_are_left(
    instance: DagsterInstance, services: Services, database_url: str
) -> None:
    config = {"ops": {"sync_due_accounts": {"config": {"linger_seconds": 0}}}}
    result = build_defs().resolve_job_def("trails").execute_in_process(instance=instance, run_config=config)
    assert result.output_for_node("sync_due_accounts") == {"succeeded": 1}
    event = instance.get_latest_materialization_event(TRAILS)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition == "1"
    numbers = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
    assert (numbers["rows_fetched"], numbers["dagster/row_count"], numbers["trails_left"]) == (10, 10, 0)
    [stored] = rows(database_url, "SELECT count(*) AS n FROM hostaway.reservation_versions")
    assert numbers["rows_inserted"] == stored["n"] > 0


def test_it_has_a_place_of_its_own(instance: DagsterInstance, services: Services, database_url: str) -> None:
    """One run of trails at a time, and as many of the others as without it."""
    late = "UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h' RETURNING 1"
    rows(database_url, late)
    requested = request_sweeper(services, instance, "trails")
    assert isinstance(requested, RunRequest)
    jobs = build_defs()
    instance.create_run_for_job(
        jobs.resolve_job_def("trails"), status=DagsterRunStatus.STARTED, tags=dict(requested.tags)
    )
    assert isinstance(request_sweeper(services, instance, "trails"), SkipReason)
    for mode in ("reconcile", "requested"):
        services.cadences.request(1, "full")
        other = request_sweeper(services, instance, mode)
        assert isinstance(other, RunRequest), mode
        instance.create_run_for_job(jobs.resolve_job_def(mode), status=DagsterRunStatus.STARTED, tags=dict(other.tags))
    assert "no place is free: 2 of 2" in str(request_sweeper(services, instance, "refresh"))
