"""Dagster's daemon, its drainer run and Postgres are killed under load: the sensor detects it, and nothing is lost."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from hostaway_pipeline.cli.stack import free_port
from hostaway_pipeline.errors import DatabaseUnavailable
from hostaway_pipeline.sandbox.world.account import Account
from tests.acceptance.push_stack import PushStack, push_stack
from tests.acceptance.test_push import assert_content_equals, change
from tests.factories import OpenSandbox, is_drainer_alive, synced

_RUNS = """
    SELECT run_id, status, start_time, end_time FROM runs WHERE pipeline_name = 'drain_webhooks' ORDER BY start_time
"""


def drainer_runs(stack: PushStack) -> list[dict[str, Any]]:
    with psycopg.connect(stack.server.url("dagster"), row_factory=dict_row) as connection:
        return connection.execute(_RUNS).fetchall()


def wait_until(what: str, done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.3)


def alive_again(stack: PushStack) -> bool:
    try:
        return is_drainer_alive(stack.services)
    except DatabaseUnavailable:
        return False


@contextmanager
def under_load(account: Account) -> Iterator[None]:
    """Make five changes a second until the block ends."""
    ended = threading.Event()

    def load() -> None:
        choice = random.Random(2)
        while not ended.is_set():
            change(account, choice)
            time.sleep(0.2)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_kills_of_daemon_run_and_postgres_under_load_lose_nothing(
    open_sandbox: OpenSandbox, embedded_folder: Path
) -> None:
    sandbox = open_sandbox("1:4:60", webhook_time_scale=300.0)
    account = sandbox.world.account(1)
    with push_stack(embedded_folder / "dagster-kills", sandbox, free_port(), drainer="daemon") as stack:
        synced(stack.services, 1)
        with under_load(account):
            wait_until("the first drainer run", lambda: is_drainer_alive(stack.services), 120)
            stack.restart("daemon")  # its run goes on
            run = stack.children("spawn_main")  # how Dagster's code server starts a run
            assert len(run) == 1
            run[0].kill()
            wait_until("the end of the lock", lambda: not is_drainer_alive(stack.services), 60)
            wait_until("another drainer run", lambda: is_drainer_alive(stack.services), 90)
            stack.restart("postgres")
            wait_until("a drainer run on the restarted Postgres", lambda: alive_again(stack), 120)
        stack.wait_until_applied(120)

        assert_content_equals(stack.url, sandbox, 1)
        runs = drainer_runs(stack)
        assert 3 <= len(runs) <= 6, "one per kill, and none per event"
        assert sum(run["status"] == "STARTED" for run in runs) <= 1
