"""The asset of the calendar exists only when HOSTAWAY_SYNC_CALENDAR is on, and no job or schedule reads it."""

import pytest
from dagster import AssetKey, DagsterInstance, Definitions

from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import OpenSandbox, OpenServices, add_account, rows, synced

CALENDAR, LISTINGS = AssetKey(["hostaway", "calendar"]), AssetKey(["hostaway", "listings"])


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:2:10")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    add_account(services, 1)
    synced(services, 1, entities=("listings",))
    sandbox.counters.reset()
    return services


@pytest.fixture(autouse=True)
def partitions(instance: DagsterInstance) -> None:
    instance.add_dynamic_partitions("accounts", ["1"])


def keys(defs: Definitions) -> set[AssetKey]:
    return set(defs.resolve_asset_graph().get_all_asset_keys())


def test_it_is_defined_only_when_the_setting_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(keys(build_defs(has_trails=False))) == 4
    monkeypatch.setenv("HOSTAWAY_SYNC_CALENDAR", "true")
    assert keys(build_defs()) == keys(build_defs(has_calendar=False)) | {CALENDAR}


def test_it_is_downstream_of_the_listings_described_and_typed() -> None:
    defs = build_defs(has_calendar=True)
    node = defs.resolve_asset_graph().get(CALENDAR)
    assert node.parent_keys == {LISTINGS}
    assert node.description
    assert "One call per listing" in node.description
    assert node.metadata["dagster/table_name"] == "hostaway.calendar_days"
    columns = node.metadata["dagster/column_schema"].columns  # type: ignore[attr-defined]
    assert [column.name for column in columns][:3] == ["account_id", "listing_id", "date"]
    assert CALENDAR not in defs.resolve_job_def("sync_account").asset_layer.executable_asset_keys


def test_a_run_reads_one_accounts_days(instance: DagsterInstance, sandbox: SandboxServer, database_url: str) -> None:
    job = build_defs(has_calendar=True).resolve_implicit_global_asset_job_def()
    result = job.get_subset(asset_selection={CALENDAR}).execute_in_process(instance=instance, partition_key="1")

    assert result.success
    event = instance.get_latest_materialization_event(CALENDAR)
    assert event is not None
    assert event.asset_materialization is not None
    numbers = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
    [stored] = rows(database_url, "SELECT count(*) AS days FROM hostaway.calendar_days")
    assert numbers["rows_inserted"] == numbers["dagster/row_count"] == stored["days"] > 1000
    assert numbers["api_calls"] == sandbox.counters.total == 2
    assert rows(database_url, "SELECT source FROM hostaway.sync_runs ORDER BY id DESC LIMIT 1") == [
        {"source": "dagster"}
    ]
