"""The lock by which a Dagster run proves that its process is alive."""

import os
import signal
import subprocess
import sys
import time

import psycopg

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.locks import living_runs, run_lock
from tests.factories import rows
from tests.waiting import wait_until

_HOLDERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 4301005 AND granted"
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 4301005"


def test_a_run_is_alive_while_it_holds_its_lock(database: Database) -> None:
    with run_lock(database, "a"):
        assert living_runs(database, ["a", "b"]) == {"a"}
    assert living_runs(database, ["a", "b"]) == set()


def test_a_killed_process_loses_its_lock(database: Database, database_url: str) -> None:
    hold = (
        "import sys, time; from hostaway_pipeline.store.database import Database; "
        "from hostaway_pipeline.store.locks import run_lock; lock = run_lock(Database(sys.argv[1]), 'a'); "
        "lock.__enter__(); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", hold, database_url])
    try:
        wait_until(lambda: living_runs(database, ["a"]))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: not living_runs(database, ["a"]))


def test_a_run_whose_connection_is_cut_twice_takes_its_lock_again(database: Database, database_url: str) -> None:
    """Otherwise a restart of Postgres, or a firewall that drops idle connections, would look like a dead process."""
    with run_lock(database, "a"):
        for _ in range(2):
            (cut,) = rows(database_url, _HOLDERS)
            assert rows(database_url, _CUT)
            wait_until(lambda cut=cut: rows(database_url, _HOLDERS) not in ([], [cut]))  # type: ignore[misc]
            assert living_runs(database, ["a"])
    wait_until(lambda: not living_runs(database, ["a"]))


def test_a_server_that_ends_idle_sessions_does_not_end_a_lock(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(b"ALTER DATABASE " + connection.info.dbname.encode() + b" SET idle_session_timeout = '1s'")
    with run_lock(database, "a"):
        for _ in range(25):
            assert living_runs(database, ["a"])
            time.sleep(0.1)
