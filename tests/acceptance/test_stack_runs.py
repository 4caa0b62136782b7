"""Real runs under Dagster's own queue: bulk work leaves the drainer its slot, and a killed stack continues."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterRunStatus, Definitions, JobDefinition, OpExecutionContext, job, op

from hostaway_pipeline.defs.keys import BULK_POOL
from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.acceptance.dagster_stack import DagsterStack, wait_until
from tests.conftest import GivenPostgres
from tests.factories import OpenSandbox, OpenServices, add_account, synced

STARTED, QUEUED, FAILED = DagsterRunStatus.STARTED, DagsterRunStatus.QUEUED, DagsterRunStatus.FAILURE
WEBHOOK_ACCOUNT = 8


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(*(f"{number}:2:5" for number in range(1, WEBHOOK_ACCOUNT + 1)))


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    for number in range(1, WEBHOOK_ACCOUNT + 1):
        add_account(services, number)
    synced(services, WEBHOOK_ACCOUNT)
    return services


@pytest.fixture
def stack(
    postgres: EmbeddedPostgres | GivenPostgres,
    services: Services,
    sandbox: SandboxServer,
    database_url: str,
    tmp_path: Path,
) -> Iterator[DagsterStack]:
    postgres.ensure_database("dagster_runs")
    stack = DagsterStack(tmp_path / "dagster", database_url, postgres.url("dagster_runs"), sandbox)
    try:
        stack.start_all()
        yield stack
    finally:
        stack.stop()


def deliver(services: Services, sandbox: SandboxServer) -> None:
    account = sandbox.world.account(WEBHOOK_ACCOUNT)
    payload = account.update_reservation(next(iter(account.reservations)), guestName="Ada")
    body = {"object": "reservation", "event": "reservation.updated", "accountId": WEBHOOK_ACCOUNT, "data": payload}
    services.inbox.accept([(parse_delivery(body), "request")])


def somebody_elses() -> JobDefinition:
    @op
    def work(context: OpExecutionContext) -> None: ...

    @job
    def theirs() -> None:
        work()

    return Definitions(jobs=[theirs]).resolve_job_def("theirs")


@pytest.mark.timeout(600)
def test_bulk_work_leaves_the_drainer_its_slot_and_a_killed_stack_goes_on(
    stack: DagsterStack, services: Services, sandbox: SandboxServer
) -> None:
    wait_until("the partitions", lambda: stack.instance.has_dynamic_partition("accounts", "8"), 150)
    assert {pool.name: pool.limit for pool in stack.instance.event_log_storage.get_pool_limits()} == {BULK_POOL: 3}
    sandbox.faults.update(hang_share=1.0)
    services.cadences.request(1, "full")
    wait_until("the sweeper", lambda: stack.runs(STARTED, job_name="requested"), 150)
    for partition in ("2", "3", "4"):
        stack.backfill(["listings"], [partition])
    for partition in ("5", "6", "7", "8"):
        stack.materialize("listings", partition)
    wait_until("a full queue", lambda: len(stack.runs(STARTED)) == 3 and len(stack.runs(QUEUED)) == 5, 150)
    bulk = stack.runs(STARTED)

    deliver(services, sandbox)
    wait_until("a drainer run", lambda: stack.runs(STARTED, job_name="drain_webhooks"), 150)
    (drainer,) = stack.runs(STARTED, job_name="drain_webhooks")
    assert all(stack.process_of(run).nice() > stack.process_of(drainer).nice() for run in bulk), "bulk work gives way"
    wait_until("the application of the event", lambda: not services.inbox.state().pending, 60)
    assert {run.run_id for run in bulk} <= {run.run_id for run in stack.runs(STARTED)}

    (living, *_) = (run for run in bulk if run.job_name != "requested")
    foreign = stack.instance.create_run_for_job(somebody_elses(), status=STARTED)
    stack.kill_all(stack.process_of(living))
    stack.start_work()
    dead = {run.run_id for run in bulk} - {living.run_id}
    wait_until("the end of the dead runs", lambda: {run.run_id for run in stack.runs(FAILED)} >= dead, 150)
    assert {run.run_id for run in stack.runs(STARTED)} >= {living.run_id, foreign.run_id}
    sandbox.faults.clear()
    wait_until("the first sync", lambda: services.accounts.get(1).last_sync_at, 200)
