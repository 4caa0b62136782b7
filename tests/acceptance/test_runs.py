"""What every run has, whoever launched it: its lock, its lane, its pool; and when it is declared dead."""

import json
import threading
import time
from collections.abc import Iterator, Mapping

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    JobDefinition,
    OpExecutionContext,
    SkipReason,
    build_sensor_context,
    job,
    op,
)

from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.defs.keys import BULK_POOL, LANE, PLACE
from hostaway_pipeline.defs.liveness import liveness_sensor
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.acceptance.test_dagster_push import change_run
from tests.factories import OpenSandbox, OpenServices, add_account
from tests.waiting import wait_until


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:2:10")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    add_account(services, 1)
    return services


def own_jobs() -> list[JobDefinition]:
    """All jobs, and the one by which the UI materializes assets and runs checks."""
    return list(build_defs(has_calendar=True).get_repository_def().get_all_jobs())


# Definitions


@pytest.mark.parametrize("one", own_jobs(), ids=lambda one: str(one.name))
def test_every_step_holds_the_runs_lock_and_only_the_drainer_is_outside_the_pool(one: JobDefinition) -> None:
    ops = list(one.graph.iterate_op_defs())
    assert ops
    assert all("hostaway" in made.required_resource_keys for made in ops)
    assert all(made.pool == (None if one.name == "drain_webhooks" else BULK_POOL) for made in ops)


def test_every_job_has_a_lane() -> None:
    lanes = {one.name: one.tags.get(LANE) for one in own_jobs() if not one.name.startswith("__")}
    assert lanes.pop("drain_webhooks") == "webhooks"
    assert set(lanes.values()) == {"bulk"}


# A run


@pytest.fixture
def reading(instance: DagsterInstance, sandbox: SandboxServer) -> Iterator[DagsterRun]:
    """A run of an asset as the UI launches it, while it waits for an answer of Hostaway."""
    instance.add_dynamic_partitions("accounts", ["1"])
    sandbox.faults.hold_after = 0
    whole = build_defs().resolve_implicit_global_asset_job_def()
    job = whole.get_subset(asset_selection={AssetKey(["hostaway", "listings"])})
    run = threading.Thread(
        target=lambda: job.execute_in_process(instance=instance, partition_key="1", raise_on_error=False)
    )
    run.start()
    wait_until(lambda: sandbox.counters.max_in_flight)
    yield instance.get_runs()[0]
    sandbox.faults.clear()
    run.join(60)


def test_a_run_launched_in_the_ui_has_its_lock_and_its_lane(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, reading: DagsterRun
) -> None:
    assert reading.status == DagsterRunStatus.STARTED
    assert services.living_runs([reading.run_id]) == {reading.run_id}
    assert reading.tags[LANE] == "bulk"
    sandbox.faults.clear()
    wait_until(lambda: instance.get_runs()[0].is_finished)
    assert services.living_runs([reading.run_id]) == set()


# The sensor


def look(instance: DagsterInstance, cursor: str | None = None) -> str | None:
    """Return the sensor's cursor."""
    with build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}, cursor=cursor) as context:
        assert isinstance(liveness_sensor(context), SkipReason)
        return context.cursor


def in_status(
    instance: DagsterInstance, status: DagsterRunStatus, name: str = "drain_webhooks", tags: Mapping[str, str] = {}
) -> str:
    made = build_defs().resolve_job_def(name)
    run = instance.create_run_for_job(made, status=DagsterRunStatus.NOT_STARTED, tags={**made.tags, **tags})
    change_run(instance, run.run_id, status=status.value)
    return run.run_id


def status_of(instance: DagsterInstance, run_id: str) -> DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def long_ago(*run_ids: str) -> str:
    return json.dumps(dict.fromkeys(run_ids, time.time() - 20))


def test_a_run_without_its_lock_is_failed_at_the_second_look(instance: DagsterInstance, services: Services) -> None:
    run = in_status(instance, DagsterRunStatus.STARTED)
    with services.run_lock(run):
        assert json.loads(look(instance, long_ago(run)) or "") == {}
    first = json.loads(look(instance) or "")
    assert list(first) == [run]
    assert status_of(instance, run) == DagsterRunStatus.STARTED
    assert json.loads(look(instance, long_ago(run)) or "") == {}
    assert status_of(instance, run) == DagsterRunStatus.FAILURE


def test_the_accounts_and_the_place_of_a_dead_sweeper_are_free(instance: DagsterInstance, services: Services) -> None:
    run = in_status(instance, DagsterRunStatus.STARTED, "reconcile", {PLACE: "1"})
    assert services.cadences.reserve_place([1]) == 1
    services.cadences.request(1, "full")
    assert services.cadences.claim("reconcile", run) is not None
    look(instance)
    assert services.cadences.claim("reconcile", "another") is None
    assert services.cadences.reserve_place([1]) is None
    look(instance, long_ago(run))
    assert services.cadences.claim("reconcile", "another") is not None
    assert services.cadences.reserve_place([1]) == 1


def test_a_cancelled_run_whose_process_is_gone_is_cancelled(instance: DagsterInstance) -> None:
    run = in_status(instance, DagsterRunStatus.CANCELING)
    look(instance, long_ago(run))
    assert status_of(instance, run) == DagsterRunStatus.CANCELED


@pytest.mark.parametrize("status", [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING])
def test_a_run_that_has_no_process_yet_is_left_alone(instance: DagsterInstance, status: DagsterRunStatus) -> None:
    run = in_status(instance, status)
    look(instance, long_ago(run))
    assert status_of(instance, run) == status


def test_a_run_launched_in_the_ui_that_died_before_it_had_a_lane_is_failed(instance: DagsterInstance) -> None:
    run = in_status(instance, DagsterRunStatus.STARTED, "__ASSET_JOB")
    look(instance, long_ago(run))
    assert status_of(instance, run) == DagsterRunStatus.FAILURE


def test_a_run_of_somebody_elses_job_is_left_alone(instance: DagsterInstance) -> None:
    @op(pool="theirs")
    def work(context: OpExecutionContext) -> None: ...

    @job(tags={"team": "another"})
    def theirs() -> None:
        work()

    run = instance.create_run_for_job(
        Definitions(jobs=[theirs]).resolve_job_def("theirs"), status=DagsterRunStatus.STARTED
    )
    look(instance, long_ago(run.run_id))
    assert status_of(instance, run.run_id) == DagsterRunStatus.STARTED
