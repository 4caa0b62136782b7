"""Dagster assets, checks and the accounts sensor, run in this process on a real instance, database and sandbox."""

from typing import Any

import pytest
from dagster import (
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    ExecuteInProcessResult,
    Failure,
    RetryRequested,
    SensorResult,
    SkipReason,
    build_sensor_context,
)

from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.defs.assets import failure
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.defs.sensors import PartitionChange, accounts_sensor, partition_change
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.errors import (
    AccessDenied,
    AccountError,
    DatabaseUnavailable,
    InvalidCredentials,
    KeyringError,
    NetworkError,
    PipelineError,
    RateLimited,
    ServerError,
    SyncInProgress,
)
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import OpenSandbox, OpenServices, add_account, assert_equal_to_source, rows, sync


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:20:30", "2:2:10", token_delay=0.0)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    for account_id in (1, 2):
        add_account(services, account_id)
    return services


@pytest.fixture(autouse=True)
def partitions(instance: DagsterInstance) -> None:
    instance.add_dynamic_partitions("accounts", ["1", "2"])


def run(instance: DagsterInstance, account_id: int, **config: Any) -> ExecuteInProcessResult:
    job = build_defs().resolve_job_def("sync_account")
    return job.execute_in_process(
        instance=instance,
        partition_key=str(account_id),
        raise_on_error=False,
        run_config={"ops": {"sync_entities": {"config": config}}} if config else None,
    )


def checks(result: ExecuteInProcessResult) -> dict[tuple[str, str], Any]:
    return {(e.asset_key.path[-1], e.check_name): e for e in result.get_asset_check_evaluations()}


def test_a_run_copies_one_account_and_passes_its_checks(
    instance: DagsterInstance, sandbox: SandboxServer, database_url: str
) -> None:
    result = run(instance, 1)
    assert result.success
    assert_equal_to_source(database_url, sandbox, 1)
    evaluations = checks(result)
    assert len(evaluations) == 18
    assert all(evaluation.passed for evaluation in evaluations.values())


def test_every_materialization_carries_numbers(instance: DagsterInstance) -> None:
    run(instance, 1)
    event = instance.get_latest_materialization_event(AssetKey(["hostaway", "reservations"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.partition == "1"
    numbers = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
    expected = {"rows_fetched": 30, "rows_inserted": 30, "rows_updated": 0, "rows_unchanged": 0, "rows_deleted": 0}
    assert numbers.items() >= expected.items()
    assert {"api_calls", "http_429", "seconds", "dagster/row_count"} <= numbers.keys()
    assert all(isinstance(numbers[name], int | float) for name in numbers if not name.startswith("dagster/partition"))


def test_the_accounts_name_stands_beside_its_id(
    instance: DagsterInstance, services: Services, sandbox: SandboxServer
) -> None:
    """In the run's tags, in materializations, and in the texts of checks."""
    services.accounts.rename(1, "Seaside\nRentals")
    run(instance, 1)
    event = instance.get_latest_materialization_event(AssetKey(["hostaway", "messages"]))
    sandbox.faults.update(listings_answer="empty")
    again = run(instance, 1)

    assert instance.get_run_by_id(again.run_id).tags["hostaway/account"] == "Seaside\nRentals"  # type: ignore[union-attr]
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["account"].value == "Seaside\nRentals"
    text = str(checks(again)["listings", "sweep_complete"].description)
    assert text.startswith("account 1 (Seaside Rentals): ")
    sandbox.faults.clear()
    assert "hostaway/account" not in instance.get_run_by_id(run(instance, 2).run_id).tags  # type: ignore[union-attr]


def test_a_failed_account_fails_its_partition_with_a_readable_error_and_stops_no_other(
    instance: DagsterInstance, sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    services.accounts.remove(1, hard=True)
    add_account(services, 1, secret="wrong")
    broken, fine = run(instance, 1), run(instance, 2)

    assert not broken.success
    failure = broken.failure_data_for_node("sync_entities")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "account 1: Hostaway does not accept this client secret" in str(failure.user_failure_data.description)
    assert fine.success
    assert_equal_to_source(database_url, sandbox, 2)


def test_a_permanent_failure_is_not_retried(instance: DagsterInstance, services: Services) -> None:
    services.accounts.remove(1, hard=True)
    add_account(services, 1, secret="wrong")
    result = run(instance, 1)
    assert not [e for e in result.all_events if e.event_type == DagsterEventType.STEP_UP_FOR_RETRY]


@pytest.mark.parametrize(
    ("error", "is_retried"),
    [
        (ServerError("x"), True),
        (NetworkError("x"), True),
        (RateLimited("x"), True),
        (DatabaseUnavailable("x"), True),
        (SyncInProgress("x"), True),
        (AccessDenied("x"), False),
        (InvalidCredentials("x"), False),
        (AccountError("x"), False),
        (KeyringError("x"), False),
    ],
)
def test_only_transient_failures_are_retried(error: PipelineError, is_retried: bool) -> None:
    assert isinstance(failure(error, 0), RetryRequested) is is_retried
    assert isinstance(failure(error, 3), Failure), "the last one fails with its own description"


@pytest.mark.parametrize("answer", ["empty", "half"])
def test_a_listings_answer_that_lacks_rows_fails_a_check_that_says_why(
    instance: DagsterInstance, sandbox: SandboxServer, answer: str
) -> None:
    run(instance, 1)
    sandbox.faults.update(listings_answer=answer)
    result = run(instance, 1)

    evaluation = checks(result)["listings", "sweep_complete"]
    assert not evaluation.passed
    assert "account 1:" in str(evaluation.description)
    assert "of 20 rows are missing from the answer" in str(evaluation.description)
    assert not checks(result)["listings", "count_matches_api"].passed


def test_another_accounts_success_does_not_hide_a_failed_check(
    instance: DagsterInstance, sandbox: SandboxServer, services: Services
) -> None:
    run(instance, 1)
    sandbox.faults.update(listings_answer="empty")
    sync(services, 1)
    sandbox.faults.clear()
    assert not checks(run(instance, 2))["listings", "sweep_complete"].passed


def test_an_account_that_keeps_failing_fails_a_check_that_says_why(
    instance: DagsterInstance, services: Services
) -> None:
    """Its partition alone does not show it: the next webhook turns it green again."""
    services.accounts.remove(1, hard=True)
    add_account(services, 1, secret="wrong")
    run(instance, 1)
    evaluation = checks(run(instance, 2))["reservations", "accounts_current"]
    assert not evaluation.passed
    assert str(evaluation.description).startswith("account 1: never complete yet; failed ")
    assert "does not accept this client secret" in str(evaluation.description)


def test_an_account_not_proven_complete_for_29_hours_fails_the_check(
    instance: DagsterInstance, database_url: str
) -> None:
    run(instance, 1)
    rows(database_url, "UPDATE hostaway.accounts SET last_sync_at = now() - interval '29 hours' WHERE account_id = 1 "
         "RETURNING 1")  # fmt: skip
    evaluation = checks(run(instance, 2))["reservations", "accounts_current"]
    assert "account 1: complete as of" in str(evaluation.description)


def test_mass_deletion_can_be_allowed_in_the_run_config(instance: DagsterInstance, sandbox: SandboxServer) -> None:
    run(instance, 1)
    sandbox.faults.update(listings_answer="half")
    result = run(instance, 1, allow_mass_delete=True)
    assert checks(result)["listings", "sweep_complete"].passed


def test_the_sensor_keeps_partitions_equal_to_active_accounts_and_starts_first_syncs(
    instance: DagsterInstance, services: Services
) -> None:
    services.accounts.remove(2, hard=True)
    services.accounts.add(3, "s", name=None, customer_id=None, is_due=True)
    with build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}) as context:
        result = accounts_sensor(context)

    assert isinstance(result, SensorResult)
    assert [request.job_name for request in result.run_requests or []] == ["requested"]
    added, removed = result.dynamic_partitions_requests or []
    assert (added.partition_keys, removed.partition_keys) == (["3"], ["2"])


def test_the_sensor_requests_one_run_however_many_ticks_pass_before_it_starts(
    instance: DagsterInstance, services: Services
) -> None:
    services.cadences.request(1, "full")
    with build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}) as context:
        first = accounts_sensor(context)
        assert isinstance(first, SensorResult)
        (request,) = first.run_requests or []
        job = build_defs().resolve_job_def("requested")
        instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags=dict(request.tags) | dict(job.tags))
        second = accounts_sensor(context)
    assert isinstance(second, SkipReason)
    assert "1 requested; 1 at work on them" in str(second.skip_message)


def test_the_sensor_skips_when_there_is_nothing_to_do(instance: DagsterInstance) -> None:
    with build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}) as context:
        assert isinstance(accounts_sensor(context), SkipReason)


def test_a_database_that_cannot_be_read_never_deletes_partitions(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTAWAY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    with (
        build_sensor_context(instance=instance, resources={"hostaway": HostawayResource()}) as context,
        pytest.raises(Exception, match="Postgres cannot be reached"),
    ):
        accounts_sensor(context)
    assert set(instance.get_dynamic_partitions("accounts")) == {"1", "2"}


def test_partition_change_is_a_plain_difference() -> None:
    assert partition_change(["1", "3"], ["1", "2"]) == PartitionChange(add=["3"], remove=["2"])


def test_every_asset_is_described_owned_and_typed() -> None:
    for asset in build_defs().resolve_asset_graph().asset_nodes:
        assert asset.description
        assert asset.owners
        assert asset.kinds == {"python", "postgres"}
        assert len(asset.metadata["dagster/column_schema"].columns) > 10  # type: ignore[attr-defined]


# Several accounts in one run, as a backfill launches it


def run_backfill(instance: DagsterInstance, *accounts: int) -> ExecuteInProcessResult:
    first, last = str(min(accounts)), str(max(accounts))
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    job = build_defs().resolve_job_def("sync_account")
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def materialized(instance: DagsterInstance, entity: str) -> list[str]:
    records = instance.fetch_materializations(AssetKey(["hostaway", entity]), limit=10).records
    return sorted(str(record.partition_key) for record in records)


def test_a_run_of_many_accounts_gives_each_its_own_result(
    instance: DagsterInstance, sandbox: SandboxServer, database_url: str
) -> None:
    result = run_backfill(instance, 1, 2)
    assert result.success
    for account_id in (1, 2):
        assert_equal_to_source(database_url, sandbox, account_id)
    for entity in ENTITIES:
        assert materialized(instance, entity) == ["1", "2"], "one each: none for the whole range"
    assert len(checks(result)) == 18
    assert all(evaluation.passed for evaluation in checks(result).values())


def test_an_account_that_fails_in_a_run_of_many_fails_alone(
    instance: DagsterInstance, sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    services.accounts.remove(1, hard=True)
    add_account(services, 1, secret="wrong")
    result = run_backfill(instance, 1, 2)
    assert not result.success
    found = result.failure_data_for_node("sync_entities")
    assert found is not None
    assert found.user_failure_data is not None
    assert str(found.user_failure_data.description).startswith("1 of 2 accounts failed. account 1: Hostaway does not")
    assert materialized(instance, "messages") == ["2"]
    assert_equal_to_source(database_url, sandbox, 2)
