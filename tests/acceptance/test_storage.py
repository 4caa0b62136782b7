"""Dagster's storage as dagster.yaml configures it: few connections, none left behind, none trusted blindly."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, OpExecutionContext, job, op
from dagster._core.instance.ref import InstanceRef
from sqlalchemy import event, make_url

from hostaway_pipeline.defs.materializations import MaterializationLog
from hostaway_pipeline.defs.old_runs import delete_runs
from hostaway_pipeline.defs.storage import PooledPostgresStorage, session_engine
from hostaway_pipeline.domain.counts import Counts
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sync.pull.request import Report
from tests.factories import rows

EVENTS = 30
# Postgres' own vacuuming shows as well.
OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)


@pytest.fixture(scope="module")
def url(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"dagster_{time.time_ns()}"
    postgres.ensure_database(name)
    url = postgres.url(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOSTAWAY_DAGSTER_DATABASE_URL", url.replace("postgresql:", "postgresql+psycopg2:", 1))
        yield url


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A DAGSTER_HOME with the project's dagster.yaml."""
    folder = tmp_path_factory.mktemp("dagster")
    shutil.copyfile(Path(__file__).parents[2] / "dagster.yaml", folder / "dagster.yaml")
    return str(folder)


@pytest.fixture(scope="module")
def instance(url: str, home: str) -> Iterator[DagsterInstance]:
    with DagsterInstance.from_config(home) as instance:
        yield instance


def materialize(instance: DagsterInstance, meanwhile: Callable[[], object] = lambda: None) -> str:
    """Run a job that materializes an asset; returns the run's id."""

    @op
    def many(context: OpExecutionContext) -> None:
        for number in range(EVENTS):
            tags = {"dagster/data_version": str(number)}  # one that Dagster keeps in a table of its own
            context.log_event(AssetMaterialization(AssetKey("made"), partition=str(number), tags=tags))
            meanwhile()

    @job
    def making() -> None:
        many()

    result = making.execute_in_process(instance=instance)
    assert result.success
    return result.run_id


def sessions(url: str) -> set[int]:
    return {row["pid"] for row in rows(url, f"SELECT pid {OTHERS}")}


def partitions_of(instance: DagsterInstance, run_id: str) -> list[str | None]:
    records = instance.get_records_for_run(run_id).records
    return [r.event_log_entry.dagster_event.partition for r in records if r.asset_event is not None]  # type: ignore[union-attr]


def test_a_run_keeps_its_connections(instance: DagsterInstance, url: str) -> None:
    seen: set[int] = set()
    run_id = materialize(instance, lambda: seen.update(sessions(url)))
    assert partitions_of(instance, run_id) == [str(number) for number in range(EVENTS)]
    assert 1 <= len(seen) <= 2
    assert sessions(url) <= seen


def test_instances_of_a_process_share_them(instance: DagsterInstance, url: str, home: str) -> None:
    materialize(instance)
    before = sessions(url)
    for _ in range(5):
        with DagsterInstance.from_config(home) as other:
            assert other.get_runs_count()
    assert before == sessions(url) != set()


def test_connections_that_were_closed_are_replaced(instance: DagsterInstance, url: str) -> None:
    run_id = materialize(instance, lambda: rows(url, f"SELECT pg_terminate_backend(pid, 5000) {OTHERS}"))
    assert len(partitions_of(instance, run_id)) == EVENTS


def test_a_deleted_run_leaves_neither_rows_nor_logs(instance: DagsterInstance, url: str) -> None:
    run_id = materialize(instance)
    storage, logs = instance.event_log_storage, Path(instance.storage_directory()) / run_id
    storage.set_concurrency_slots("pool", 1)
    storage.claim_concurrency_slot("pool", run_id, "many")
    assert any((logs / "compute_logs").iterdir())
    assert rows(url, "SELECT FROM asset_event_tags")
    assert delete_runs(instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert delete_runs(instance, datetime.now(UTC) + timedelta(minutes=1)) >= 1
    assert not logs.exists()
    tables = rows(url, "SELECT table_name AS name FROM information_schema.columns WHERE column_name = 'run_id'")
    assert {"runs", "run_tags", "event_logs", "concurrency_slots"} <= {table["name"] for table in tables}
    assert not any(rows(url, f"SELECT FROM {table['name']} WHERE run_id = %s", run_id) for table in tables)
    assert not rows(url, "SELECT FROM asset_event_tags")
    assert storage.get_concurrency_info("pool").active_slot_count == 0


def test_more_runs_than_a_page_are_deleted(instance: DagsterInstance, url: str) -> None:
    materialize(instance)
    more = rows(url, "INSERT INTO runs (run_id, snapshot_id, pipeline_name, status, run_body, create_timestamp) "
                "SELECT new_id, snapshot_id, pipeline_name, status, replace(run_body, run_id, new_id), now() "
                "FROM runs, generate_series(1, 250) AS n, LATERAL (SELECT md5(run_id || n) AS new_id) AS new "
                "RETURNING 1")  # fmt: skip
    assert delete_runs(instance, datetime.now(UTC) + timedelta(minutes=1)) > len(more) > 0
    assert instance.get_runs_count() == 0


def test_many_runs_are_deleted_by_as_many_statements_as_one(instance: DagsterInstance) -> None:
    def statements_for(number: int) -> int:
        run_ids = [materialize(instance) for _ in range(number)]
        seen: list[object] = []

        def see(*arguments: object) -> None:
            seen.append(arguments)

        event.listen(engine, "before_cursor_execute", see)
        assert delete_runs(instance, datetime.now(UTC) + timedelta(minutes=1)) == number
        event.remove(engine, "before_cursor_execute", see)
        assert not any(map(instance.has_run, run_ids))
        return len(seen)

    delete_runs(instance, datetime.now(UTC) + timedelta(minutes=1))
    engine = session_engine(instance.run_storage.postgres_url)  # type: ignore[attr-defined]
    assert statements_for(4) == statements_for(1)


FORKED = """
import os
from dagster import DagsterInstance

def session():
    with instance.run_storage.connect() as connection:
        return connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()

with DagsterInstance.from_config({home!r}) as instance:
    mine = session()
    if (child := os.fork()) == 0:
        os._exit(session() == mine)
    assert os.waitpid(child, 0)[1] == 0
    assert session() == mine
"""


@pytest.mark.usefixtures("instance")
def test_a_forked_child_does_not_use_its_parents_connection(home: str) -> None:
    """Celery's workers fork."""
    code = FORKED.format(home=home)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("settings", ["dagster.yaml", "deploy/docker/dagster.yaml"])
def test_the_settings_name_the_database_or_leave_it_to_ours(url: str, tmp_path: Path, settings: str) -> None:
    shutil.copyfile(Path(__file__).parents[2] / settings, tmp_path / "dagster.yaml")
    storage = InstanceRef.from_dir(str(tmp_path)).storage
    assert isinstance(storage, PooledPostgresStorage)
    found, given = make_url(storage.postgres_url), make_url(url.replace("postgresql:", "postgresql+psycopg2:", 1))
    assert found.difference_update_query(found.query.keys() - given.query.keys()) == given


def test_materializations_of_many_accounts_are_written_in_batches(instance: DagsterInstance) -> None:
    """Each by itself takes five statements, and Dagster as long as the sync of a small account."""
    engine = instance.event_log_storage._engine  # type: ignore[attr-defined]
    inserts = list[str]()

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        inserts.extend([statement] if statement.startswith("INSERT INTO event_logs") else [])

    @op
    def many(context: OpExecutionContext) -> None:
        log = MaterializationLog(context)
        event.listen(engine, "before_cursor_execute", note)
        for account_id in range(EVENTS):
            report = Report(account_id, entities={name: Counts(fetched=account_id) for name in ENTITIES})
            log.add(report, ENTITIES, mode="reconcile")
        log.flush()
        event.remove(engine, "before_cursor_execute", note)

    @job
    def syncing() -> None:
        many()

    run_id = syncing.execute_in_process(instance=instance).run_id
    assert len(inserts) == len(ENTITIES)
    for entity in ENTITIES:
        found = instance.fetch_materializations(AssetKey(["hostaway", entity]), limit=EVENTS).records
        assert {(record.partition_key, record.run_id) for record in found} == {(str(n), run_id) for n in range(EVENTS)}
        assert all(
            made.metadata["rows_fetched"].value == int(str(made.partition))
            for made in (record.asset_materialization for record in found)
            if made is not None
        )
