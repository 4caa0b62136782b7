"""Dagster in the push journey: one drainer run while events wait, and a status of its own for each account."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    ExecuteInProcessResult,
    RunRequest,
    SensorResult,
    SkipReason,
    build_sensor_context,
)
from dagster._core.storage.runs.schema import RunsTable
from sqlalchemy import update

from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.defs.drainer import drain_webhooks
from hostaway_pipeline.defs.keys import entity_key
from hostaway_pipeline.defs.old_runs import delete_check_results, old_runs
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.sensors import accounts_sensor, webhook_events_sensor
from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import OpenSandbox, OpenServices, add_account, assert_equal_to_source, rows
from tests.first_syncs import after_first_sync

CHECKS = ("sweep_complete", "count_matches_api", "rows_settled", "accounts_current", "refresh_current", "webhook_alive")
CHECKS += ("one_name_per_ip", "trails_agree")


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:3:20", "2:2:10")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    after_first_sync(services, sandbox)
    return services


@pytest.fixture(autouse=True)
def partitions(instance: DagsterInstance) -> None:
    instance.add_dynamic_partitions("accounts", ["1", "2"])


def accept(services: Services, sandbox: SandboxServer, account_id: int, **changes: Any) -> None:
    account = sandbox.world.account(account_id)
    payload = account.update_reservation(next(iter(account.reservations)), **changes)
    body = {"object": "reservation", "event": "reservation.updated", "accountId": account_id, "data": payload}
    services.inbox.accept([(parse_delivery(body), f"request-{account_id}")])


def look(instance: DagsterInstance) -> RunRequest | SkipReason:
    with build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}) as context:
        found = webhook_events_sensor(context)
    assert isinstance(found, RunRequest | SkipReason)
    return found


def change_run(instance: DagsterInstance, run_id: str, **values: Any) -> None:
    """Change a run in storage, because Dagster offers no way to make an old one."""
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.execute(update(RunsTable).where(RunsTable.c.run_id == run_id).values(**values))


def drained(instance: DagsterInstance) -> ExecuteInProcessResult:
    config = {"ops": {"drain_inbox": {"config": {"linger_seconds": 0}}}}
    job = build_defs().resolve_job_def("drain_webhooks")
    return job.execute_in_process(instance=instance, run_config=config, raise_on_error=False)


def newest(instance: DagsterInstance, entity: str, partition: str) -> dict[str, Any]:
    records = instance.fetch_materializations(AssetKey(["hostaway", entity]), limit=50).records
    for record in records:
        if record.partition_key == partition and record.asset_materialization is not None:
            return {name: value.value for name, value in record.asset_materialization.metadata.items()}
    return {}


def test_without_events_there_is_no_run(instance: DagsterInstance) -> None:
    assert isinstance(look(instance), SkipReason)


def test_events_request_one_run_and_the_next_tick_sees_it(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer
) -> None:
    accept(services, sandbox, 1, guestName="Ada")
    request = look(instance)
    assert isinstance(request, RunRequest)
    assert request.run_key is None, "a run key would silence the sensor for ever"
    assert request.tags["hostaway/request_id"] == "request-1"
    instance.create_run_for_job(build_defs().resolve_job_def("drain_webhooks"), status=DagsterRunStatus.STARTING)
    assert isinstance(look(instance), SkipReason)


def test_a_drainer_near_its_end_gets_one_successor(instance: DagsterInstance) -> None:
    job = build_defs().resolve_job_def("drain_webhooks")
    run = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED)
    change_run(instance, run.run_id, start_time=time.time() - 260)
    assert isinstance(look(instance), SkipReason)
    change_run(instance, run.run_id, start_time=time.time() - 275)
    assert isinstance(look(instance), RunRequest)
    instance.create_run_for_job(job, status=DagsterRunStatus.STARTING)
    assert isinstance(look(instance), SkipReason)


def test_the_run_applies_events_and_reports_each_account_under_its_own_partition(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    accept(services, sandbox, 1, guestName="Ada")
    accept(services, sandbox, 2, guestName="Grace")
    services.accounts.rename(2, "Seaside Rentals")
    assert drained(instance).success
    for account_id in (1, 2):
        assert_equal_to_source(database_url, sandbox, account_id)
        metadata = newest(instance, "reservations", str(account_id))
        assert (metadata["rows_updated"], metadata["events"]) == (1, 1)
        assert metadata["request_ids"] == [f"request-{account_id}"]
        assert metadata.get("account") == {2: "Seaside Rentals"}.get(account_id)
        assert len(metadata["event_ids"]) == 1
    assert isinstance(look(instance), SkipReason)


def test_checks_stay_evaluated_while_webhooks_come(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer
) -> None:
    """Dagster considers a check outdated once another run has materialized its asset."""
    job = build_defs().resolve_job_def("sync_account")
    assert job.execute_in_process(instance=instance, partition_key="1").success
    accept(services, sandbox, 1, guestName="Ada")
    result = drained(instance)
    evaluated = {(e.asset_key.path[-1], e.check_name) for e in result.get_asset_check_evaluations()}
    assert evaluated == {("reservations", name) for name in CHECKS}
    latest = instance.fetch_materializations(AssetKey(["hostaway", "reservations"]), limit=1).records[0]
    assert latest.run_id == result.run_id


def test_a_drainer_that_hangs_is_ended() -> None:
    assert drain_webhooks.tags["dagster/max_runtime"] == "420"


def test_a_dead_drainer_is_replaced(instance: DagsterInstance, services: Services, sandbox: SandboxServer) -> None:
    accept(services, sandbox, 1, guestName="Ada")
    run = instance.create_run_for_job(build_defs().resolve_job_def("drain_webhooks"), status=DagsterRunStatus.STARTED)
    assert isinstance(look(instance), SkipReason)
    instance.report_run_failed(run)
    assert isinstance(look(instance), RunRequest)


def test_an_account_whose_api_refuses_it_turns_red_in_a_run_of_its_own(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    services.accounts.remove(1, hard=False)
    add_account(services, 1, secret="wrong")
    accept(services, sandbox, 1, guestName="Waits")
    rows(database_url, "UPDATE hostaway.webhook_events SET payload = payload - 'status' RETURNING 1")
    accept(services, sandbox, 2, guestName="Goes on")
    assert drained(instance).success
    assert_equal_to_source(database_url, sandbox, 2)

    instance.add_dynamic_partitions("accounts", ["1", "2"])
    with build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}) as context:
        result = accounts_sensor(context)
    assert isinstance(result, SensorResult)
    assert [request.partition_key for request in result.run_requests or []] == ["1"]
    job = build_defs().resolve_job_def("sync_account")
    own = job.execute_in_process(instance=instance, partition_key="1", raise_on_error=False)
    assert not own.success


def test_old_runs_are_deleted_except_those_with_a_partitions_latest_materialization(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer
) -> None:
    runs = []
    for name in ("First", "Second", "Third"):
        accept(services, sandbox, 1, guestName=name)
        runs.append(drained(instance).run_id)
    accept(services, sandbox, 2, guestName="Other account")
    runs.append(drained(instance).run_id)
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert {run_id for run_ids in old_runs(instance, later) for run_id in run_ids} == set(runs[:2])
    assert list(old_runs(instance, later - timedelta(days=1))) == []


def test_the_purge_deletes_old_events_and_runs_and_keeps_needed_ones(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    runs = []
    for name in ("First", "Second"):
        accept(services, sandbox, 1, guestName=name)
        runs.append(drained(instance).run_id)
        change_run(instance, runs[-1], create_timestamp=datetime.now(UTC).replace(tzinfo=None) - timedelta(days=40))
    rows(database_url, "UPDATE hostaway.webhook_events SET received_at = now() - interval '40 days' RETURNING 1")
    accept(services, sandbox, 2, guestName="Young")

    assert build_defs().resolve_job_def("purge").execute_in_process(instance=instance).success

    assert [instance.has_run(run_id) for run_id in runs] == [False, True], "the second holds the newest materialization"
    assert newest(instance, "reservations", "1")["rows_updated"] == 1
    left = rows(database_url, "SELECT account_id FROM hostaway.webhook_events")
    assert [event["account_id"] for event in left] == [2]


def test_old_check_results_are_deleted_except_the_newest_of_each_check(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer
) -> None:
    for name in ("First", "Second"):
        accept(services, sandbox, 1, guestName=name)
        drained(instance)
    keys = [AssetCheckKey(entity_key("reservations"), name) for name in ("rows_settled", "accounts_current")]
    storage = instance.event_log_storage

    def results() -> list[int]:
        return [len(storage.get_asset_check_execution_history(key, limit=9)) for key in keys]

    assert results() == [2, 2]
    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert delete_check_results(instance, soon - timedelta(days=1)) == 0
    assert delete_check_results(instance, soon) >= 2
    assert results() == [1, 1]
    assert all(storage.get_latest_asset_check_execution_by_key(keys))


def test_a_check_fails_while_a_wanted_webhook_is_missing_or_disabled(
    instance: DagsterInstance, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finding() -> str | None:
        job = build_defs().resolve_job_def("sync_account")
        result = job.execute_in_process(instance=instance, partition_key="1")
        checks = {e.check_name: e for e in result.get_asset_check_evaluations()}
        return None if checks["webhook_alive"].passed else checks["webhook_alive"].description

    assert finding() is None, "nobody wants webhooks: HOSTAWAY_PUBLIC_URL is not set"
    monkeypatch.setenv("HOSTAWAY_PUBLIC_URL", "http://127.0.0.1:9")
    services.webhooks.record_registration(2, 5, is_enabled=False)
    found = finding()
    assert found == "account 2: Hostaway has disabled the webhook", "the sync has registered account 1's"
