"""Sweeper runs: they sync whatever accounts are due, each under its own partition, and no failure stops another."""

import threading
from typing import Any

import pytest
from dagster import (
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    ExecuteInProcessResult,
    RunRequest,
    SensorResult,
    SkipReason,
    build_sensor_context,
)

from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.defs.keys import PLACE
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.schedules import request_sweeper
from hostaway_pipeline.defs.sensors import accounts_sensor
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.acceptance.dagster_stack import wait_until
from tests.factories import OpenSandbox, OpenServices, add_account, assert_equal_to_source, rows


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:5:30", "2:2:10", "3:2:10", token_delay=0.0)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    for account_id in (1, 2, 3):
        add_account(services, account_id, secret="wrong" if account_id == 2 else None)
    return services


def make_due(database_url: str, mode: str, *account_ids: int) -> None:
    rows(database_url, "UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h' "
         "WHERE mode = %s AND account_id = ANY(%s) RETURNING 1", mode, list(account_ids))  # fmt: skip


def run(
    instance: DagsterInstance, services: Services, database_url: str, *accounts: int, mode: str = "reconcile"
) -> ExecuteInProcessResult:
    """Run a sweeper while these accounts are due."""
    services.cadences.plan_missing()
    make_due(database_url, mode, *accounts)
    job = build_defs().resolve_job_def(mode)
    config = {"ops": {"sync_due_accounts": {"config": {"linger_seconds": 0}}}}
    return job.execute_in_process(instance=instance, run_config=config, raise_on_error=False)


def due(services: Services) -> set[int]:
    return {account_id for account_id in (1, 2, 3) for state in services.cadences.of(account_id)
            if state.mode == "reconcile" and state.succeeded_at is None}  # fmt: skip


def test_one_accounts_failure_stops_no_other_and_it_stays_due(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    result = run(instance, services, database_url, 1, 2, 3)
    assert result.success
    assert result.output_for_node("sync_due_accounts") == {"succeeded": 2, "failed": 1}
    for account_id in (1, 3):
        assert_equal_to_source(database_url, sandbox, account_id)
    assert due(services) == {2}


def test_each_account_is_materialized_under_its_own_partition(
    instance: DagsterInstance, services: Services, database_url: str
) -> None:
    run(instance, services, database_url, 1, 2, 3)
    for entity in ("listings", "reservations", "conversations", "messages"):
        assert instance.get_materialized_partitions(AssetKey(["hostaway", entity])) == {"1", "3"}


def test_the_checks_are_evaluated_once_at_the_end_of_the_run(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    run(instance, services, database_url, 1, 2, 3)
    sandbox.faults.update(listings_answer="empty")
    result = run(instance, services, database_url, 1, 3)
    events = [e for e in result.all_events if e.event_type == DagsterEventType.ASSET_CHECK_EVALUATION]
    names = [(e.asset_check_evaluation_data.asset_key, e.asset_check_evaluation_data.check_name) for e in events]
    assert len(names) == len(set(names))
    failed = {(e.asset_check_evaluation_data.asset_key.path[-1], e.asset_check_evaluation_data.check_name)
              for e in events if not e.asset_check_evaluation_data.passed}  # fmt: skip
    of_the_wrong_secret = ("reservations", "accounts_current")
    assert failed == {("listings", "sweep_complete"), ("listings", "count_matches_api"), of_the_wrong_secret}


def test_only_accounts_that_are_due_are_read(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    run(instance, services, database_url, 3)
    assert set(sandbox.counters.by_account()) == {3}


def test_a_paused_account_is_not_tried(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    run(instance, services, database_url, 2)
    calls = sandbox.counters.total
    assert run(instance, services, database_url, 2).output_for_node("sync_due_accounts") == {}
    assert sandbox.counters.total == calls


def test_the_listings_of_an_account_are_read_by_themselves(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    run(instance, services, database_url, 1)
    sandbox.counters.reset()
    sandbox.world.account(1).update_listing(next(iter(sandbox.world.account(1).listings)), name="Renamed")
    assert run(instance, services, database_url, 1, mode="listings").success
    assert_equal_to_source(database_url, sandbox, 1)
    assert sandbox.counters.total == 1


def changes(instance: DagsterInstance, services: Services, database_url: str) -> dict[str, dict[str, Any]]:
    """Metadata of the materializations of one run of `refresh`, by entity."""
    result = run(instance, services, database_url, 1, mode="refresh")
    written = instance.all_logs(result.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
    made = [entry.asset_materialization for entry in written if entry.asset_materialization is not None]
    return {one.asset_key.path[-1]: {name: value.value for name, value in one.metadata.items()} for one in made}


def test_a_refresh_brings_the_hosts_own_replies_and_reports_only_what_changed(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    """Hostaway sends no webhook for them."""
    run(instance, services, database_url, 1)
    assert changes(instance, services, database_url) == {}
    account = sandbox.world.account(1)
    account.add_message(next(iter(account.conversations)), "Welcome!", is_incoming=False)
    changed = changes(instance, services, database_url)
    assert changed.keys() == {"conversations", "messages"}
    assert changed["messages"]["rows_inserted"] == 1
    assert_equal_to_source(database_url, sandbox, 1)


def test_while_hostaway_is_away_a_run_fails_early_and_leaves_the_rest_to_the_next(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str, new_accounts: list[int]
) -> None:
    rows(database_url, "UPDATE hostaway.accounts SET failures = 1 RETURNING 1")  # so that one call decides
    sandbox.faults.update(down=True)
    result = run(instance, services, database_url, *new_accounts)
    assert not result.success
    failure = result.failure_data_for_node("sync_due_accounts")
    assert failure is not None
    assert "Hostaway is away" in str(failure.user_failure_data.description)  # type: ignore[union-attr]
    tried = rows(database_url, "SELECT count(DISTINCT account_id) AS n FROM hostaway.sync_runs")[0]["n"]
    assert tried < len(new_accounts)


def test_a_tick_requests_a_run_with_a_place_and_says_what_waits(
    instance: DagsterInstance, services: Services, database_url: str
) -> None:
    skipped = request_sweeper(services, instance, "reconcile")
    assert isinstance(skipped, SkipReason)
    assert skipped.skip_message == "no account is due"
    make_due(database_url, "reconcile", 1, 2, 3)
    request = request_sweeper(services, instance, "reconcile")
    assert isinstance(request, RunRequest)
    expected = {"mode": "reconcile", "sweeper": "1", "due": "3 due, the latest by 1:00:00"}
    assert request.tags == {f"hostaway/{name}": value for name, value in expected.items()}


def test_two_ticks_never_start_more_runs_than_there_are_places(
    instance: DagsterInstance, services: Services, database_url: str
) -> None:
    """Requested runs are not in Dagster's list yet when the next mode looks."""
    rows(database_url, "UPDATE hostaway.accounts SET last_sync_at = now() RETURNING 1")
    services.cadences.plan_missing()
    for mode in ("reconcile", "refresh", "listings"):
        make_due(database_url, mode, 1, 2, 3)
    modes = ("reconcile", "refresh", "listings", "reconcile", "refresh", "listings")
    found = [request_sweeper(services, instance, mode) for mode in modes]
    places = [request.tags["hostaway/sweeper"] for request in found if isinstance(request, RunRequest)]
    assert places == ["1", "2"]


def test_a_place_is_free_for_the_next_run_as_soon_as_dagster_lists_the_one_that_it_was_reserved_for(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer, database_url: str
) -> None:
    """A run that is killed cannot free it."""
    assert services.cadences.reserve_place([1]) == 1
    services.cadences.request(3, "full")
    job = build_defs().resolve_job_def("requested")
    run = threading.Thread(target=lambda: job.execute_in_process(instance=instance, tags={PLACE: "1"}))
    run.start()
    wait_until("the sync", lambda: rows(database_url, "SELECT FROM hostaway.sync_runs"), 120)
    place = services.cadences.reserve_place([1])
    run.join()
    assert place == 1


def test_a_requested_sync_gets_a_run_within_seconds(
    instance: DagsterInstance, services: Services, database_url: str
) -> None:
    services.cadences.request(3, "full")
    with build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}) as context:
        result = accounts_sensor(context)
    assert isinstance(result, SensorResult)
    (request,) = result.run_requests or []
    assert request.job_name == "requested"
    services.cadences.free_place(1)
    job = build_defs().resolve_job_def("requested")
    assert job.execute_in_process(instance=instance).output_for_node("sync_due_accounts") == {"succeeded": 1}
    assert rows(database_url, "SELECT mode FROM hostaway.sync_runs") == [{"mode": "full"}]


def test_an_account_that_keeps_failing_gets_one_run_of_its_own_per_pause(
    instance: DagsterInstance, services: Services, database_url: str
) -> None:
    """So that its partition turns red, with the reason."""
    run(instance, services, database_url, 1, 2, 3)
    instance.add_dynamic_partitions("accounts", ["1", "2", "3"])
    with build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}) as context:
        first = accounts_sensor(context)
        assert isinstance(first, SensorResult)
        assert [(r.job_name, r.partition_key) for r in first.run_requests or []] == [("sync_account", "2")]
    again = build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}, cursor=first.cursor)
    with again as context:
        assert isinstance(accounts_sensor(context), SkipReason)


@pytest.fixture
def new_accounts(services: Services) -> list[int]:
    ids = list(range(100, 140))
    for account_id in ids:
        services.accounts.add(account_id, "s", name=None, customer_id=None, is_due=False)
    return ids
