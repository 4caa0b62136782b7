"""The code location of the marts: its definitions, one real build, and when the next one is requested."""

import base64
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    ExecuteInProcessResult,
    RunRequest,
    SkipReason,
    build_schedule_context,
)

from hostaway_pipeline.defs.keys import BULK_POOL, LANE
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.marts.definitions import MartsResource, defs
from hostaway_pipeline.marts.frequent import frequent_selection
from hostaway_pipeline.marts.project import DbtProject, arguments
from hostaway_pipeline.marts.runner import _cleaned
from hostaway_pipeline.marts.schedules import request_build
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.roles import allow_analyst
from tests.factories import OpenSandbox, OpenServices, add_account, rows, synced
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, share_manifest: Callable[[Path], None]) -> Path:
    """One for the file, so that dbt parses its project once."""
    home = tmp_path_factory.mktemp("home")
    share_manifest(home)
    return home


@pytest.fixture(autouse=True)
def _in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTAWAY_HOME", str(home))


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("1:4:40")


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    add_account(services, 1)
    synced(services, 1)
    return services


def build(instance: DagsterInstance, request: RunRequest | None = None) -> ExecuteInProcessResult:
    """Run the job: all of it, or what is requested."""
    job = defs().resolve_job_def("build_marts")
    if request is not None:
        assert request.asset_selection is not None
        assert request.asset_check_keys is not None
        job = job.get_subset(
            asset_selection=set(request.asset_selection), asset_check_selection=set(request.asset_check_keys)
        )
    return job.execute_in_process(instance=instance, raise_on_error=False)


def times_built(instance: DagsterInstance, key: AssetKey) -> int:
    return len(instance.fetch_materializations(key, limit=10).records)


def decision(instance: DagsterInstance) -> RunRequest | SkipReason:
    return request_build(instance, HostawayResource(), unless=[DagsterRunStatus.QUEUED])


def ancestors(key: AssetKey) -> set[AssetKey]:
    return set(defs().resolve_asset_graph().get_ancestor_asset_keys(key))


def test_the_lineage_runs_from_the_copy_to_the_kpis() -> None:
    assert AssetKey(["hostaway", "reservations"]) in ancestors(AssetKey(["marts", "kpi_listing_month"]))


def test_every_model_is_described_grouped_by_schema_and_has_its_tests_as_checks() -> None:
    models = [node for node in defs().resolve_asset_graph().asset_nodes if node.is_materializable]
    assert {node.group_name for node in models} == {"staging", "core", "pii", "marts"}
    assert all(node.group_name == node.key.path[0] for node in models)
    assert [node.key for node in models if not node.description] == []
    assert any(node.check_keys for node in models)


def test_builds_hold_their_lock_share_the_pool_of_bulk_work_and_have_their_lane() -> None:
    for step in defs().resolve_job_def("build_marts").graph.iterate_op_defs():
        assert "hostaway" in step.required_resource_keys
        assert step.pool == BULK_POOL
    assert (MartsResource.lane, defs().resolve_job_def("build_marts").tags[LANE]) == ({LANE: "marts"}, "marts")


def test_only_frequent_builds_leave_out_what_reads_whole_tables(home: Path) -> None:
    graph = defs().resolve_asset_graph()
    assets, checks = frequent_selection(DbtProject.of(home))
    left_out = {key.name for key in graph.asset_check_keys - set(checks)}
    assert {key.path[-1] for key in graph.materializable_asset_keys - set(assets)} == {
        "mart_data_quality",
        "portfolio_report",
        "rec_differences",
        "rec_reasons",
        "rec_reports",
        "rec_totals",
    }
    assert {"nights_add_up_to_the_rent", "booking_rent_is_known_or_explained"} <= left_out
    assert left_out.isdisjoint({"unique_channels_channel_id", "between_fct_cancellations_kept_amount__0"})
    assert set(checks) <= graph.asset_check_keys
    nightly = defs().resolve_schedule_def("nightly_build")
    assert nightly(build_schedule_context()) == RunRequest()


def test_dbt_tells_nobody_and_writes_only_to_its_own_folder(home: Path) -> None:
    options = arguments(Path("project"), home / "dbt" / "target")
    assert {"--no-send-anonymous-usage-stats", "--no-version-check"} <= set(options)
    assert [word for word in options if word.startswith("/")] == [str(home / "dbt" / "target")] * 2


def test_the_manifest_is_made_again_when_a_file_of_the_project_changes(tmp_path: Path) -> None:
    project = DbtProject(tmp_path, tmp_path / "work")
    (tmp_path / "a.sql").write_text("SELECT 1")
    (tmp_path / "target").mkdir()
    before = project.manifest_name
    (tmp_path / "target" / "left_by_dbt").touch()
    assert DbtProject(tmp_path, tmp_path / "work").manifest_name == before
    (tmp_path / "a.sql").write_text("SELECT 2")
    assert DbtProject(tmp_path, tmp_path / "work").manifest_name != before


@pytest.fixture
def late(database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(database_url) as connection:
        yield connection


def test_a_build_fills_the_marts_and_the_next_waits_until_something_moves(
    instance: DagsterInstance,
    services: Services,
    database_url: str,
    late: psycopg.Connection[tuple[object, ...]],
    home: Path,
) -> None:
    allow_analyst(services.database, "analysts-password")
    assert decision(instance) == RunRequest(), "never built: everything"
    late.execute("UPDATE hostaway.listings SET updated_at = now() - interval '1 day' WHERE account_id = 1")

    services.database.dispose()  # Postgres counts what a session has written within seconds, or when it ends
    sessions = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'hostaway'"
    wait_until(lambda: not rows(database_url, sessions))

    result = build(instance)
    assert result.success
    event = instance.get_latest_materialization_event(AssetKey(["marts", "kpi_listing_month"]))
    assert event is not None
    assert event.asset_materialization is not None
    written = event.asset_materialization.metadata["rows_written"].value
    assert rows(database_url, "SELECT count(*) AS n FROM marts.kpi_listing_month") == [{"n": written}]
    assert result.get_asset_check_evaluations()
    readable = "SELECT has_table_privilege('analyst', 'marts.kpi_listing_month', 'SELECT') AS may"
    assert rows(database_url, readable) == [{"may": True}], "the schema is younger than the role"
    _has_written_the_report(instance, home)
    skipped = decision(instance)
    assert isinstance(skipped, SkipReason)
    assert skipped.skip_message == "Nothing has moved since the last build."

    late.commit()
    late.close()
    deadline = time.monotonic() + 60
    while not isinstance(requested := decision(instance), RunRequest):
        assert time.monotonic() < deadline, "an older change was committed late"
        time.sleep(0.1)
    assert build(instance, requested).success
    times = {
        name: times_built(instance, AssetKey(["marts", name]))
        for name in ("mart_data_quality", "portfolio_report", "kpi_listing_month")
    }
    assert times == {"mart_data_quality": 1, "portfolio_report": 1, "kpi_listing_month": 2}, "audits wait for the night"


def _has_written_the_report(instance: DagsterInstance, home: Path) -> None:
    """The page, and a picture in the event log that is not large: every materialization keeps one."""
    event = instance.get_latest_materialization_event(AssetKey(["marts", "portfolio_report"]))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    page = home / "reports" / "portfolio.html"
    assert str(metadata["page"].value) == str(page)
    assert "Property #" in page.read_text(encoding="utf-8")
    picture = re.fullmatch(r"!\[.*]\(data:image/svg\+xml;base64,(.*)\)", str(metadata["occupancy"].value))
    assert picture is not None
    svg = base64.b64decode(picture[1]).decode()
    width = re.search(r'<svg [^>]*width="(\d+)"', svg)
    assert width is not None
    assert int(width[1]) <= 960
    assert len(svg) < 60_000


def test_a_removed_account_moves_the_state(services: Services) -> None:
    tables = {"listings", "reservations"}
    before = services.movement(tables)
    assert services.movement(tables) == before
    services.accounts.remove(1, hard=True)
    assert services.movement(tables) != before


def test_printed_errors_end_before_postgres_quotes_a_row() -> None:
    """A guest's address in a failed statement would otherwise reach the log and Dagster's events."""
    quoted = "Database Error\n  duplicate key value\n  DETAIL:  Key (email)=(ann@example.com) already exists."
    event = {"info": {"msg": quoted}, "data": {"texts": [quoted, "CONTEXT:  COPY guests, line 1: ann"], "count": 1}}
    cleaned = _cleaned(event)
    assert cleaned["info"]["msg"] == "Database Error\n  duplicate key value"
    assert cleaned["data"] == {"texts": ["Database Error\n  duplicate key value", ""], "count": 1}
