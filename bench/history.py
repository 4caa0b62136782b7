"""Compares the merge that keeps superseded states with one that does not: CPU time of Postgres, and WAL.

The same reservations of the sandbox are merged on the same server in pairs of turns, one with the trigger and one
without. All of them change in each turn; in an account, nine of ten changes are of keys that do not count as content.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from bench.figures import Figure, at_most, table
from hostaway_pipeline.domain.entities import RESERVATIONS
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.traffic import update_reservation
from hostaway_pipeline.sandbox.world.world import World
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate

ROWS, PAGE, PAIRS = 1_000, 500, 10
# Nothing but the merge writes WAL: no vacuum, no checkpoint in the middle of a turn.
QUIET = ("autovacuum = off", "checkpoint_timeout = '1d'", "max_wal_size = '16GB'")
# The most that versions may cost. In the worst case, all finance lines of all reservations change at once.
KINDS = {"as guests and hosts change them": 1.15, "each in its number of guests": 1.15, "each in all its lines": 1.15}


class Cost(NamedTuple):
    """CPU seconds of Postgres' backend, and bytes of WAL."""

    cpu: float
    wal: float


class Bench:
    """An account of the sandbox, its copy, and the number of the turn."""

    def __init__(self, url: str, database: Database) -> None:
        config = SandboxConfig(accounts=(SandboxAccount.parse(f"1:20:{ROWS}"),))
        self._account: Account = World(config).account(1)
        self._writer = PullWriter(database, Owner(1, UUID(int=1)))
        self._chance = Random(1)
        self._watcher = psycopg.connect(url, autocommit=True)
        self._turn = 0
        self._began = datetime.now(UTC) - timedelta(days=1)

    def costs(self, kind: str) -> tuple[Cost, Cost]:
        """Per row with versions, and without. Of several turns, the least: it is disturbed least."""
        self.merge(kind)
        pairs = [self.pair(kind, is_first=number % 2 == 0) for number in range(PAIRS)]
        kept, bare = (
            Cost(*(min(part) / ROWS for part in zip(*turns, strict=True))) for turns in zip(*pairs, strict=True)
        )
        return kept, bare

    def pair(self, kind: str, *, is_first: bool) -> tuple[Cost, Cost]:
        """The costs of a turn with versions and of one without, whichever is first."""
        found = dict[bool, Cost]()
        for is_kept in (is_first, not is_first):
            verb = "ENABLE" if is_kept else "DISABLE"
            self._run(f"ALTER TABLE hostaway.reservations {verb} TRIGGER reservations_superseded")
            found[is_kept] = self.merge(kind)
        return found[True], found[False]

    def merge(self, kind: str) -> Cost:
        """Merge all rows once. A reservation has few versions, so those of earlier turns go."""
        self._turn += 1
        self._run("TRUNCATE hostaway.reservation_versions")
        rows = [row for payload in self._payloads(kind) if (row := RESERVATIONS.row(payload, datetime.now(UTC)))]
        for name in ("reservations", "reservation_finance_lines"):
            self._run(f"VACUUM ANALYZE hostaway.{name}")
        before = self._cost()
        for start in range(0, len(rows), PAGE):
            self._writer.merge(RESERVATIONS, rows[start : start + PAGE])
        after = self._cost()
        return Cost(after.cpu - before.cpu, after.wal - before.wal)

    def close(self) -> None:
        self._watcher.close()

    def _payloads(self, kind: str) -> Iterator[dict[str, Any]]:
        updated = f"{self._began + timedelta(minutes=self._turn):%Y-%m-%d %H:%M:%S}"
        for object_id in list(self._account.reservations):
            if kind == "as guests and hosts change them":
                update_reservation(self._account, object_id, self._chance)
            payload = self._account.reservations[object_id].payload() | {"updatedOn": updated}
            payload |= {"numberOfGuests": self._turn} if kind == "each in its number of guests" else {}
            if kind == "each in all its lines":
                payload["financeField"] = [line | {"total": self._turn} for line in payload["financeField"]]
            yield payload

    def _cost(self) -> Cost:
        """Of the one backend that merges; Linux tells its CPU time in nanoseconds."""
        others = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        pids = self._run(others)
        cpu = sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9 for (pid,) in pids)
        ((wal,),) = self._run("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        return Cost(cpu, float(wal))

    def _run(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self._watcher.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def run() -> list[Figure]:
    figures: list[Figure] = []
    with server() as url:
        database = Database(url)
        bench = Bench(url, database)
        for kind, most in KINDS.items():
            kept, bare = bench.costs(kind)
            case = f"{ROWS:,} reservations changed, {kind}: merge with versions to without"
            figures += [
                at_most(
                    f"{case}, CPU of Postgres",
                    kept.cpu / bare.cpu,
                    most,
                    "×",
                    f"without: {bare.cpu * 1e6:.0f} µs a row",
                ),
                at_most(f"{case}, WAL", kept.wal / bare.wal, most, "×", f"without: {bare.wal:,.0f} bytes a row"),
            ]
        bench.close()
        database.dispose()
    return figures


@contextmanager
def server() -> Iterator[str]:
    """A migrated database with account 1."""
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as postgres:
        postgres.ensure_database("hostaway")
        url = postgres.url("hostaway")
        with psycopg.connect(url, autocommit=True) as administrator:
            for setting in QUIET:
                administrator.execute(f"ALTER SYSTEM SET {setting}".encode())
            administrator.execute("SELECT pg_reload_conf()")
        database = Database(url)
        migrate(database)
        with database.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO hostaway.accounts (account_id) VALUES (1)")
        database.dispose()
        yield url


if __name__ == "__main__":
    print(table(run()))
