"""Sweeper runs killed with `kill -9` at twenty moments of their lives: how soon others have their accounts done.

The real stack with Dagster's default launcher keeps three runs at work on accounts whose sync is requested over and
over. Each new run is killed at the next moment of the list.
"""

import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import combinations, groupby
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench.figures import Figure, at_least, at_most, table
from bench.fleet import add_accounts, running
from bench.stand import Stand, stand
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.store.cadences import LEASE
from hostaway_pipeline.wiring import DAGSTER_DATABASE, DATABASE

ACCOUNTS, SWEEPERS, TICK = 90, 3, 60
DECLARED_SECONDS, DONE_SECONDS = 60, LEASE.total_seconds() + TICK
# What guests and hosts change in a second, so that there is something to write.
CHANGES = 10
# What has to be true of a run, and how many seconds later it is killed.
MOMENTS = {
    "with its first claims": "EXISTS (SELECT FROM hostaway.cadences WHERE claimed_by = %(run)s)",
    "while it starts": "TRUE",
    "while it reads": "EXISTS (SELECT FROM hostaway.sync_runs WHERE dagster_run_id = %(run)s AND status = 'running')",
    # Transactions that write have passed the fence, require_run.sql.
    "while a run writes": "EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'hostaway' "
    "AND state <> 'idle' AND query SIMILAR TO '-- (require_run|merge|mark_read):%%')",
    "between accounts": "EXISTS (SELECT FROM hostaway.sync_runs WHERE dagster_run_id = %(run)s "
    "AND status = 'succeeded')",
}
DELAYS = (0.0, 0.1, 0.7, 3.0)
_STARTED = r"""
    SELECT run_id, substring(event FROM 'Executing steps in process \(pid: (\d+)\)')::int AS pid
    FROM event_logs JOIN runs USING (run_id)
    WHERE runs.status = 'STARTED' AND pipeline_name = 'requested' AND event LIKE '%Executing steps in process (pid%'
"""
_REQUEST = """
    INSERT INTO hostaway.cadences AS known (account_id, mode, requested_at)
    SELECT account_id, 'full', clock_timestamp() FROM hostaway.accounts
    ON CONFLICT (account_id, mode) DO UPDATE SET requested_at = excluded.requested_at
    WHERE known.requested_at IS NULL AND known.claimed_by IS NULL
"""
_SYNCS = """
    SELECT account_id, dagster_run_id AS run, status, extract(epoch FROM started_at)::float AS began,
           extract(epoch FROM coalesce(finished_at, clock_timestamp()))::float AS ended
    FROM hostaway.sync_runs ORDER BY account_id, id
"""


@dataclass(slots=True)
class Victim:
    """A run to kill. `due_at`: when, once its moment has come, by the monotonic clock; `killed_at`: in Unix seconds;
    `accounts`: what it had claimed by then."""

    run: str
    pid: int
    moment: str
    delay: float
    due_at: float | None = None
    killed_at: float = 0.0
    accounts: list[int] = field(default_factory=list)


class Databases:
    """The pipeline's and Dagster's."""

    def __init__(self, ours: psycopg.Connection[dict[str, Any]], dagster: psycopg.Connection[dict[str, Any]]) -> None:
        self.ours, self.dagster = ours, dagster

    def has_come(self, victim: Victim) -> bool:
        row = self.ours.execute(f"SELECT {MOMENTS[victim.moment]} AS come", {"run": victim.run}).fetchone()
        return bool(row and row["come"])

    def claims(self, run: str) -> list[int]:
        found = self.ours.execute("SELECT account_id FROM hostaway.cadences WHERE claimed_by = %s", (run,))
        return [row["account_id"] for row in found]

    def started(self) -> dict[str, int]:
        """Process ids of the runs that are at work."""
        return {row["run_id"]: row["pid"] for row in self.dagster.execute(_STARTED)}

    def failed(self) -> dict[str, float]:
        found = self.dagster.execute("SELECT run_id, end_time FROM runs WHERE status = 'FAILURE'")
        return {row["run_id"]: row["end_time"] for row in found}

    def syncs(self) -> list[dict[str, Any]]:
        return self.ours.execute(_SYNCS).fetchall()


@contextmanager
def databases(made: Stand) -> Iterator[Databases]:
    """Yields once Dagster has made its tables."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(made.home))
        server.ensure_database(DAGSTER_DATABASE)
        ours, dagster = (
            stack.enter_context(psycopg.connect(server.url(name), autocommit=True, row_factory=dict_row))
            for name in (DATABASE, DAGSTER_DATABASE)
        )
        while not dagster.execute("SELECT 1 FROM pg_tables WHERE tablename = 'event_logs'").fetchone():
            time.sleep(1)
        yield Databases(ours, dagster)


def kill_all(found: Databases, seconds: float = 900) -> list[Victim]:
    """Kill one run at each moment. Raises TimeoutError."""
    moments = [(moment, delay) for delay in DELAYS for moment in MOMENTS]
    wanted, victims = len(moments), dict[str, Victim]()
    deadline, looked_at = time.monotonic() + seconds, 0.0
    while sum(victim.killed_at > 0 for victim in victims.values()) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"killed only {sum(victim.killed_at > 0 for victim in victims.values())} runs")
        if time.monotonic() - looked_at > 0.1:
            looked_at = time.monotonic()
            found.ours.execute(_REQUEST)
            for run, pid in found.started().items():
                if run not in victims and moments:
                    victims[run] = Victim(run, pid, *moments.pop(0))
        for victim in victims.values():
            if not victim.killed_at:
                advance(found, victim)
        time.sleep(0.005)
    return list(victims.values())


def advance(found: Databases, victim: Victim) -> None:
    """Kill the run if its moment has come."""
    if victim.due_at is None and found.has_come(victim):
        victim.due_at = time.monotonic() + victim.delay
    if victim.due_at is not None and time.monotonic() >= victim.due_at:
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
        victim.killed_at = time.time()
        time.sleep(0.5)  # Postgres still commits the claims that were on their way
        victim.accounts = found.claims(victim.run)


def waits(victims: list[Victim], syncs: list[dict[str, Any]]) -> list[float]:
    """Seconds from each kill until an account of that run was synced by another one; endless if it never was.

    When that other run was killed, too, the account counts from there.
    """
    killed = {(victim.killed_at, account_id) for victim in victims for account_id in victim.accounts}
    found = []
    for killed_at, account_id in killed:
        ends = (sync["ended"] for sync in syncs if sync["account_id"] == account_id and sync["status"] == "succeeded")
        done_at = min((end for end in ends if end > killed_at), default=float("inf"))
        if not any(killed_at < other_at < done_at for other_at, other_id in killed if other_id == account_id):
            found.append(done_at - killed_at)
    return found


def at_once(syncs: list[dict[str, Any]], killed: dict[str, float]) -> int:
    """Pairs of syncs of one account that overlap. The syncs of a killed run ended with it."""
    spans = [(sync["account_id"], sync["began"], min(sync["ended"], killed.get(sync["run"], sync["ended"])))
             for sync in syncs]  # fmt: skip
    return sum(
        one[1] < other[2] and other[1] < one[2]
        for _, group in groupby(spans, key=lambda span: span[0])
        for one, other in combinations(group, 2)
    )


def wait_for_the_end(found: Databases, victims: list[Victim], seconds: float = 240) -> None:
    """Wait until all is done that the figures want, or the time is over."""
    deadline = time.monotonic() + seconds
    runs = {victim.run for victim in victims}
    while time.monotonic() < deadline:
        syncs = found.syncs()
        if runs <= found.failed().keys() and max(waits(victims, syncs), default=0) < seconds:
            return
        time.sleep(1)


def run() -> list[Figure]:
    with stand([f"1-{ACCOUNTS}:2:10"], latency=0.5, server=("none", "none")) as made:
        made.environment["HOSTAWAY_SWEEPERS"] = str(SWEEPERS)
        add_accounts(made, ACCOUNTS)
        made.control("traffic", {"per_second": CHANGES})
        with running(made), databases(made) as found:
            victims = kill_all(found)
            wait_for_the_end(found, victims)
            failed, syncs = found.failed(), found.syncs()
    declared = [failed.get(victim.run, float("inf")) - victim.killed_at for victim in victims]
    done = waits(victims, syncs)
    held = Counter(victim.moment for victim in victims if victim.accounts)
    killed = {victim.run: victim.killed_at for victim in victims}
    moments = ", ".join(f"{held[moment]} {moment}" for moment in MOMENTS)
    case = f"{len(victims)} sweeper runs killed"
    return [
        at_least(f"{case}: of them with claimed accounts", held.total(), 12, "", moments),
        at_most(f"{case}: longest until a run was failed", max(declared), DECLARED_SECONDS, " s",
                f"median {statistics.median(declared):.1f} s"),
        at_most(f"{case}: longest until another run had done its accounts", max(done), DONE_SECONDS, " s",
                f"lease and a tick; {len(done)} accounts, median {statistics.median(done):.0f} s"),
        at_most(f"{case}: syncs of one account at once", at_once(syncs, killed), 0, "", f"{len(syncs):,} syncs"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table(run()))
