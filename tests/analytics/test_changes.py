"""What a build leaves out: tables whose parents have not changed, and in others the groups that have not moved."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.analytics.accounts import opened
from tests.analytics.conftest import Models, contents, dbt_environment

ALL, NIGHTS = "resource_type:model", "fct_reservation_nights"
CHAIN = "booking property fct_reservation_nights int_listing_months fct_listing_calendar_daily kpi_listing_month"


@pytest.fixture(scope="module")
def models(new_database: Callable[[], str], target: Path) -> Models:
    url = new_database()
    with opened(url, "59808:4:40", seed=12) as accounts:
        accounts.sync(59808, calendar=True)
    models = Models(url, target)
    models.fill()
    return models


def run(models: Models, *selected: str) -> set[str]:
    """Run these models; returns the names of those that were left out."""
    result = models.run("run", "--select", *selected)
    assert result.success
    return {r.node.name for r in result.result or () if r.adapter_response.get("code") == "SKIPPED"}


def change(models: Models, booking: int, assignment: str) -> None:
    models.execute(
        f"UPDATE hostaway.reservations SET {assignment}, updated_at = clock_timestamp() WHERE id = {booking}"
    )


def sold(models: Models) -> list[tuple[int, int]]:
    """A sold booking of each property, of those that lie ahead."""
    return models.rows("""
        SELECT DISTINCT ON (property_id) booking_id, property_id FROM core.booking
        WHERE state = 'sold' AND nights > 1 ORDER BY property_id, arrival_date DESC
    """)  # type: ignore[return-value]


def months(models: Models) -> dict[int, int]:
    return dict(models.rows("SELECT property_id, count(*) FROM marts.kpi_listing_month GROUP BY 1"))


def nights_of(models: Models, booking: int) -> int:
    return models.rows(f"SELECT count(*) FROM marts.fct_reservation_nights WHERE booking_id = {booking}")[0][0]


def test_only_what_moved_is_compared_and_once_a_day_everything(models):
    """Rows that somebody deletes by hand tell what was compared: those are back then."""
    complete, ((booking, moved), *_) = months(models), sold(models)
    models.execute("DELETE FROM marts.kpi_listing_month")
    left_out = run(models, ALL)
    assert months(models) == {}
    assert {
        NIGHTS,
        "int_listing_months",
        "kpi_listing_month",
        "kpi_account_month",
        "guest_identity",
        "booking_versions",
        "int_pace_months",
        "kpi_pace",
        "kpi_conversion",
        "dim_date",
    } <= left_out
    assert left_out.isdisjoint({"booking", "property", "conversation", "message_body", "int_calendar_months"})

    change(models, booking, "departure_date = departure_date - 1")
    assert "kpi_listing_month" not in run(models, *CHAIN.split())
    found = months(models)
    assert found.keys() == {moved}
    assert found[moved] <= 2 < complete[moved], "only the months of the stay"

    models.execute("UPDATE staging._progress SET number = number - 1 WHERE parent = 'day'")
    assert run(models, *CHAIN.split()) == set()
    assert months(models) == complete


def test_a_change_of_a_source_that_commits_late_is_seen(models):
    ((booking, _), *_) = sold(models)
    before = nights_of(models, booking)
    with models.connect() as late, late.transaction():
        late.execute(
            "UPDATE hostaway.reservations SET departure_date = departure_date + 1,"
            " updated_at = now() - interval '1 day' WHERE id = %s",
            [booking],
        )
        run(models, "booking", NIGHTS)
        assert nights_of(models, booking) == before
    run(models, "booking", NIGHTS)
    assert nights_of(models, booking) == before + 1


@pytest.fixture
def blocked_build(models: Models, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts dbt in a process of its own, and returns once it waits for a lock."""
    shutil.copytree(models.target, tmp_path / "target")  # with what is parsed already
    environment = os.environ | dbt_environment(models.url, tmp_path / "target")
    folders = ["--project-dir", str(models.project), "--profiles-dir", str(models.project)]
    started: list[subprocess.Popen[bytes]] = []

    def start(model: str) -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "run", "--select", model, *folders]
        started.append(subprocess.Popen(command, env=environment))
        waiting = (
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        deadline = time.monotonic() + 200
        while models.rows(waiting) == [(False,)]:
            assert time.monotonic() < deadline, "dbt does not wait"
            assert started[-1].poll() is None, "dbt did not wait"
            time.sleep(0.1)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_write_to_a_parent_that_commits_late_is_seen(models, blocked_build):
    """The parent's build waits for a row; meanwhile the table is built, and finds nothing to do."""
    ((booking, _), *_) = sold(models)
    before = nights_of(models, booking)
    change(models, booking, "departure_date = departure_date + 1")
    with models.connect() as analyst, analyst.transaction():
        analyst.execute("SELECT FROM core.booking WHERE booking_id = %s FOR UPDATE", [booking])
        parent = blocked_build("booking")
        assert run(models, NIGHTS) == {NIGHTS}
    assert parent.wait(timeout=200) == 0
    assert run(models, NIGHTS) == set()
    assert nights_of(models, booking) == before + 1


def test_a_build_that_failed_half_way_is_made_up_for(models):
    ((booking, _), *_) = sold(models)
    before = nights_of(models, booking)
    change(models, booking, "departure_date = departure_date + 1")
    models.execute(f"ALTER TABLE marts.{NIGHTS} ADD CONSTRAINT refused CHECK (false) NOT VALID")
    assert not models.run("run", "--select", "booking", NIGHTS).success
    models.execute(f"ALTER TABLE marts.{NIGHTS} DROP CONSTRAINT refused")
    run(models, "booking", NIGHTS)
    assert nights_of(models, booking) == before + 1


def test_changes_of_few_groups_make_what_a_rebuild_makes(models):
    """A stay moves to another property, then has none; others are cancelled and deleted; a currency becomes another."""
    (first, _), (second, elsewhere), (third, other), *_ = sold(models)
    change(models, first, f"listing_id = {elsewhere}")
    change(models, second, "status = 'cancelled', guest_id = (SELECT guest_id FROM hostaway.reservations LIMIT 1)")
    run(models, ALL)
    change(models, first, "listing_id = NULL, arrival_date = arrival_date - 1")
    change(models, third, "deleted_at = now()")
    models.execute(f"UPDATE hostaway.listings SET currency = 'JPY', updated_at = now() WHERE id = {other}")
    run(models, ALL)
    built = contents(models)
    run(models, ALL, "--full-refresh")
    assert built == contents(models)


def test_groups_are_part_of_the_keys(models):
    """Rows without a group would not be compared; keys have a value in each row."""
    limited = [node for node in models.manifest()["nodes"].values() if node["config"].get("limit_by")]
    assert len(limited) > 5
    for node in limited:
        (key,) = (c["columns"] for c in node["constraints"] if c["type"] == "primary_key")
        assert set(node["config"]["limit_by"]) <= set(node["config"].get("keys") or key), node["name"]
