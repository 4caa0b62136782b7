"""What one day of 1,300 accounts leaves behind: one real run of each kind, and how often a day has it.

The runs are Dagster's jobs with our storage, in this process, for a twentieth of the accounts: thirty_days.py repeats
their rows.
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from threading import Thread
from typing import Any

import orjson
import psycopg
from dagster import DagsterInstance, JobDefinition

from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.marts.definitions import defs as mart_defs
from hostaway_pipeline.marts.frequent import frequent_selection
from hostaway_pipeline.marts.project import DbtProject
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.deliveries.dispatch import envelope
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.traffic import change
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.wiring import DAGSTER_DATABASE, DATABASE, open_services
from tests.factories import ENCRYPTION_KEYS, SANDBOXES, add_account

FLEET, WEBHOOKS_A_DAY = 1300, 25
ACCOUNTS = FLEET // 20
# While webhooks keep coming, there is always a drainer run, and each ends after five minutes.
DRAINERS = 24 * 60 // 5
EVENTS = FLEET * WEBHOOKS_A_DAY // DRAINERS
# While accounts keep becoming due, a refresh run ends after ten minutes.
REFRESHERS, REFRESHES = 24 * 60 // 10, 24 * 60 // 15
# Per sensor and schedule: skipped ticks of a day, which Dagster keeps for a day, and those that requested a run.
TICKS = {
    "webhook_events_sensor": (17280, DRAINERS),
    "accounts_sensor": (8640, 0),
    "liveness_sensor": (8640, 0),
    "build_after_sync": (8640, 0),
    "failed_runs_sensor": (2880, 0),
    "refresh_schedule": (1440, REFRESHERS),
    "reconcile_schedule": (1440, FLEET // ACCOUNTS),
    "listings_schedule": (1440, 3 * FLEET // ACCOUNTS),
    "trails_schedule": (1440, 0),
    "frequent_build": (0, 24 * 4),
}
_SECONDS_BETWEEN_EVENTS = 0.2  # the drainer looks every 0.1 s: each event comes by itself, as it does with 0.4 a second


@dataclass(frozen=True, slots=True)
class Kind:
    """A run that was made, and how many like it a day of 1,300 accounts has."""

    name: str
    run_id: str
    a_day: int


class Place:
    """The two databases, with the accounts of one run and their sandbox."""

    def __init__(self, home: Path, server: EmbeddedPostgres, sandbox: SandboxServer) -> None:
        self.urls = {name: server.url(name) for name in (DATABASE, DAGSTER_DATABASE)}
        self.sandbox, self.home = sandbox, home
        os.environ |= {
            "HOSTAWAY_HOME": str(home),
            "HOSTAWAY_DATABASE_URL": self.urls[DATABASE],
            "HOSTAWAY_DAGSTER_DATABASE_URL": self.urls[DAGSTER_DATABASE].replace(":", "+psycopg2:", 1),
            "HOSTAWAY_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
            "HOSTAWAY_EGRESS": "bench",
            "HOSTAWAY_API_URL": sandbox.url,
            "HOSTAWAY_RATE_LIMIT_IP": "1000000/1",
            "HOSTAWAY_RATE_LIMIT_ACCOUNT": "1000000/1",
            "HOSTAWAY_LOG_LEVEL": "ERROR",
        }
        self.services: Services = open_services(load_settings(), create=False)
        self.services.migrate()
        self.services.secrets.check()
        copyfile(Path(__file__).parents[1] / "dagster.yaml", home / "dagster.yaml")
        self.instance = DagsterInstance.from_config(str(home))

    def execute(self, statement: str, *values: Any, database: str = DATABASE) -> list[Any]:
        """Run a statement in one of the two databases; returns its rows, if it gives any."""
        with psycopg.connect(self.urls[database], autocommit=True) as connection:
            found = connection.execute(statement.encode(), values or None)
            return found.fetchall() if found.description else []

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)

    def run(self, job: JobDefinition, config: dict[str, Any] | None = None) -> str:
        """Run a job to its end; returns the run's id. Raises an error when it fails."""
        quietly = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        return job.execute_in_process(instance=self.instance, run_config=quietly | (config or {})).run_id

    def close(self) -> None:
        self.services.close()
        self.instance.dispose()


@contextmanager
def place() -> Iterator[Place]:
    """An embedded Postgres, a sandbox, and this process's environment with both."""
    before = dict(os.environ)
    accounts = tuple(SandboxAccount(number, 2, 10) for number in range(1, ACCOUNTS + 1))
    config = SandboxConfig(accounts=accounts, ip_limit=None, account_limit=None, token_delay=0.0)
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as server:
        for name in (DATABASE, DAGSTER_DATABASE):
            server.ensure_database(name)
        with SandboxServer(config) as sandbox:
            made = Place(Path(folder), server, sandbox)
            try:
                yield made
            finally:
                made.close()
                os.environ.clear()
                os.environ.update(before)


def first_syncs(made: Place) -> None:
    SANDBOXES[made.sandbox.url] = made.sandbox
    for account_id in made.sandbox.world.accounts:
        add_account(made.services, account_id)
    _sweep(made, "reconcile")


def one_day(made: Place) -> list[Kind]:
    """One run of each kind, after the first syncs."""
    marts = mart_defs().resolve_job_def("build_marts")
    assets, checks = frequent_selection(DbtProject.of(made.home))
    frequent = marts.get_subset(asset_selection=set(assets), asset_check_selection=set(checks))
    return [
        Kind("purge", made.run(build_defs().resolve_job_def("purge")), 1),
        Kind("marts, all", made.run(marts), 1),
        Kind("reconcile", _sweep(made, "reconcile"), FLEET // ACCOUNTS),
        Kind("listings", _sweep(made, "listings"), 3 * FLEET // ACCOUNTS),
        Kind("webhooks", _drain(made), DRAINERS),
        Kind("refresh", _refresh(made), REFRESHERS),
        Kind("marts", made.run(frequent), 24 * 4),
    ]


def _sweep(made: Place, mode: str) -> str:
    made.services.cadences.plan_missing()
    made.execute("UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h' WHERE mode = %s", mode)
    config = {"ops": {"sync_due_accounts": {"config": {"linger_seconds": 0}}}}
    return made.run(build_defs().resolve_job_def(mode), config)


def _refresh(made: Place) -> str:
    """Hosts answer as often as guests write, 7.5 times a day: no webhook tells so. That is 68 times in ten minutes."""
    for account in made.sandbox.world.accounts.values():
        account.add_message(next(iter(account.conversations)), "An answer of the host", is_incoming=False)
    return _sweep(made, "refresh")


def _drain(made: Place) -> str:
    """One drainer run, with as many events as come in five minutes, in less: it evaluates its checks twice less."""
    bodies: list[bytes] = []
    rng = random.Random(1)
    accounts = list(made.sandbox.world.accounts.values())
    for account in accounts:
        account.on_event = lambda _, event: bodies.append(envelope(event, is_nested=False))

    def deliver() -> None:
        sent = 0
        while sent < EVENTS:
            change(rng.choice(accounts), rng)
            while bodies and sent < EVENTS:
                made.services.inbox.accept([(parse_delivery(orjson.loads(bodies.pop(0))), f"request-{sent}")])
                sent += 1
                time.sleep(_SECONDS_BETWEEN_EVENTS)

    delivering = Thread(target=deliver)
    delivering.start()
    config = {"ops": {"drain_inbox": {"config": {"linger_seconds": 5}}}}
    run_id = made.run(build_defs().resolve_job_def("drain_webhooks"), config)
    delivering.join()
    return run_id
