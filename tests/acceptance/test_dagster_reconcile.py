"""The jobs `reconcile` and `refresh`: many accounts in one run, each with its own partition and failure."""

from datetime import UTC, datetime
from typing import Any

import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance, ExecuteInProcessResult, build_schedule_context

from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.schedules import frequent_refresh, nightly_reconcile
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import OpenSandbox, OpenServices, add_account, assert_equal_to_source


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:5:30", "2:2:10", "3:2:10", token_delay=0.0)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    for account_id in (1, 2, 3):
        add_account(services, account_id, secret="wrong" if account_id == 2 else None)
    return services


def run(instance: DagsterInstance, *accounts: int) -> ExecuteInProcessResult:
    job = build_defs().resolve_job_def("reconcile")
    config = {"ops": {"reconcile_accounts": {"config": {"accounts": list(accounts)}}}} if accounts else None
    return job.execute_in_process(instance=instance, run_config=config, raise_on_error=False)


def test_one_accounts_failure_stops_no_other_and_requests_its_own_run(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    """The batch continues; the failed account's ordinary run then turns its partition red."""
    result = run(instance)

    assert result.success
    statuses = result.output_for_node("reconcile_accounts")
    assert statuses == {"1": "succeeded", "2": "failed", "3": "succeeded"}
    for account_id in (1, 3):
        assert_equal_to_source(database_url, sandbox, account_id)
    assert [account.account_id for account in services.accounts.due()] == [2]


def test_each_account_is_materialized_under_its_own_partition(instance: DagsterInstance) -> None:
    run(instance)
    for entity in ("listings", "reservations", "conversations", "messages"):
        assert instance.get_materialized_partitions(AssetKey(["hostaway", entity])) == {"1", "3"}


def test_the_checks_are_evaluated_in_the_same_run(instance: DagsterInstance, sandbox: SandboxServer) -> None:
    run(instance)
    sandbox.faults.update(listings_answer="empty")
    result = run(instance, 1)
    events = [e for e in result.all_events if e.event_type == DagsterEventType.ASSET_CHECK_EVALUATION]
    assert len(events) == 15
    failed = {(e.asset_check_evaluation_data.asset_key.path[-1], e.asset_check_evaluation_data.check_name)
              for e in events if not e.asset_check_evaluation_data.passed}  # fmt: skip
    of_the_wrong_secret = ("reservations", "accounts_current")
    assert failed == {("listings", "sweep_complete"), ("listings", "count_matches_api"), of_the_wrong_secret}


def test_only_the_named_accounts_are_read(instance: DagsterInstance, sandbox: SandboxServer) -> None:
    run(instance, 3)
    assert set(sandbox.counters.by_account()) == {3}


def test_a_paused_account_is_not_tried(instance: DagsterInstance, services: Services, sandbox: SandboxServer) -> None:
    run(instance, 2)
    calls = sandbox.counters.total
    assert run(instance, 2).output_for_node("reconcile_accounts") == {"2": "failed"}
    assert sandbox.counters.total == calls


def test_the_nightly_schedule_requests_chunks_of_all_active_accounts(
    instance: DagsterInstance, services: Services
) -> None:
    for account_id in range(100, 160):
        services.accounts.add(account_id, "s", name=None, customer_id=None, is_due=False)
    with build_schedule_context(
        instance=instance,
        resources={"hostaway": HostawayResource()},
        scheduled_execution_time=datetime(2026, 11, 1, 2, tzinfo=UTC),
    ) as context:
        requests = list(nightly_reconcile(context))

    asked = [request.run_config["ops"]["reconcile_accounts"]["config"]["accounts"] for request in requests]
    assert [len(chunk) for chunk in asked] == [50, 13]
    assert len({account for chunk in asked for account in chunk}) == 63
    assert [request.run_key for request in requests] == ["2026-11-01:0", "2026-11-01:1"]


def refreshed(instance: DagsterInstance) -> dict[str, dict[str, Any]]:
    """Metadata of the materializations of one run of `refresh`, by entity."""
    config = {"ops": {"refresh_accounts": {"config": {"accounts": [1]}}}}
    result = build_defs().resolve_job_def("refresh").execute_in_process(instance=instance, run_config=config)
    return {
        event.asset_key.path[-1]: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.all_events
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None
    }


def test_a_refresh_brings_the_hosts_own_replies_and_reports_only_what_changed(
    instance: DagsterInstance, sandbox: SandboxServer, database_url: str
) -> None:
    """Hostaway sends no webhook for them."""
    run(instance, 1)
    assert refreshed(instance) == {}
    account = sandbox.world.account(1)
    account.add_message(next(iter(account.conversations)), "Welcome!", is_incoming=False)
    changed = refreshed(instance)
    assert changed.keys() == {"conversations", "messages"}
    assert changed["messages"]["rows_inserted"] == 1
    assert_equal_to_source(database_url, sandbox, 1)


def test_a_refresh_is_requested_only_for_accounts_whose_copy_is_complete(instance: DagsterInstance) -> None:
    run(instance, 1)
    with build_schedule_context(
        instance=instance,
        resources={"hostaway": HostawayResource()},
        scheduled_execution_time=datetime(2026, 11, 1, 2, 15, tzinfo=UTC),
    ) as context:
        requests = list(frequent_refresh(context))
    assert [request.run_config["ops"]["refresh_accounts"]["config"]["accounts"] for request in requests] == [[1]]
    assert [request.run_key for request in requests] == ["2026-11-01T02:15:0"]
