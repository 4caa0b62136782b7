"""Many accounts through the real system: schedules, sweeper runs, daemon and webserver, on the embedded Postgres.

The runs go through the stack of `hostaway up`; nothing is started by hand.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Figure, at_most, table
from bench.processes import cpu_seconds, own_pss_mb, pss_mb, tree
from bench.stand import Stand, stand
from hostaway_pipeline.cli.stack import free_port

_IDLE_SECONDS = 180.0
_SERVERS = ("dagster-daemon", "dagster-webserver")
SMALL, LARGE = int(os.environ.get("FLEET_SMALL", "1300")), int(os.environ.get("FLEET_LARGE", "20"))
_ADD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.sync.onboard import add_account
from hostaway_pipeline.wiring import open_services
services = open_services(load_settings())
services.migrate()
services.secrets.check()
def add(account_id):
    secret = f"sandbox-secret-{account_id}"
    name = f"Account {account_id}"
    add_account(services, account_id, secret, name=name, customer_id=None, is_due=sys.argv[2] == "due")
with ThreadPoolExecutor(64) as pool:  # each waits a second for its token
    list(pool.map(add, range(1, int(sys.argv[1]) + 1)))
services.close()
"""


def add_accounts(made: Stand, count: int, *, is_due: bool = True) -> None:
    """Add accounts 1 to `count`; `is_due`: with a request for their first sync."""
    command = [sys.executable, "-c", _ADD, str(count), "due" if is_due else "later"]
    subprocess.run(command, env=made.environment, check=True)


def number(made: Stand, statement: str) -> float:
    return float(made.psql(statement).strip() or 0)


def wait_for(made: Stand, statement: str, wanted: float, seconds: float) -> float:
    """Seconds until the statement gives the wanted number. Raises TimeoutError."""
    began = time.monotonic()
    while (found := number(made, statement)) != wanted:
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"{found} after {seconds} s instead of {wanted}: {statement}")
        time.sleep(5)  # the command that asks takes half a second of CPU
    return time.monotonic() - began


def postmaster(made: Stand) -> int:
    found = next(made.home.rglob("postmaster.pid"))
    return int(Path(found).read_text(encoding="utf-8").splitlines()[0])


@contextmanager
def running(made: Stand) -> Iterator[int]:
    """The stack, without webhooks; yields the process id of `hostaway up`."""
    command = [sys.executable, "-m", "hostaway_pipeline", "up", "--port", str(free_port())]
    command += ["--receiver-port", str(free_port())]
    environment = {key: value for key, value in made.environment.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, cwd=made.home, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


DONE = "SELECT count(*) FROM hostaway.cadences WHERE mode = 'reconcile' AND succeeded_at IS NOT NULL"
AT_ONCE = """
    SELECT count(*) FROM hostaway.sync_runs AS one JOIN hostaway.sync_runs AS other
    ON other.account_id = one.account_id AND other.id > one.id
    AND other.started_at < coalesce(one.finished_at, now())
"""


def small() -> list[Figure]:
    """1,300 accounts of two listings and ten reservations: their first syncs."""
    case = f"{SMALL:,} × 2:10, first syncs through schedules and runs"
    # Audit trails are read afterwards, for as long as there are any: a call for each of 13,000 reservations.
    with stand([f"1-{SMALL}:2:10"], latency=0.0, server=("none", "none"), token_delay=0) as made:
        made.environment["HOSTAWAY_TRAILS_SHARE"] = "0"
        # Refreshes every 15 minutes would be 87 syncs a minute while nothing is to be due.
        made.environment |= {"HOSTAWAY_REFRESH_EVERY": "1d", "HOSTAWAY_LISTINGS_EVERY": "1d"}
        add_accounts(made, SMALL)
        database = postmaster(made)
        with running(made) as stack:
            time.sleep(15)
            before, began = cpu_seconds(stack, database), time.monotonic()
            while number(made, DONE) < SMALL / 10:  # by then they have loaded all of their code
                time.sleep(5)
            servers = [one.pid for one in tree(stack) if any(part.endswith(_SERVERS) for part in one.cmdline())]
            memory = own_pss_mb(servers)
            wait_for(made, DONE, SMALL, 1800)
            seconds, used = time.monotonic() - began, cpu_seconds(stack, database) - before
            twice = number(made, "SELECT count(*) - count(DISTINCT account_id) FROM hostaway.sync_runs "
                           "WHERE mode = 'reconcile'")  # fmt: skip
            grown = own_pss_mb(servers) / memory
            share, resting = idle(made, stack, database)
    return [
        at_most(f"{case}: accounts synced twice", twice, 0, "", "each once, none skipped"),
        at_most(f"{case}: CPU per account, stack and Postgres", used / SMALL, 0.25, " s", "3.1 s for a run each"),
        at_most(f"{case}: duration", seconds / 60, 15, " min", f"CPU seconds on two cores: {used / 120:.1f} min"),
        at_most(f"{case}: memory of daemon and webserver, end to start", grown, 1.25, "×", f"{memory:.0f} MB"),
        at_most(f"{SMALL:,} accounts, nothing due, marts included: share of a core", 100 * share, 12, " %", "none"),
        at_most(f"{SMALL:,} accounts, nothing due, marts included: memory", resting, 1100, " MB", "PSS, Postgres too"),
    ]


def idle(made: Stand, stack: int, database: int) -> tuple[float, float]:
    """The share of a core and the MB that the system takes for three minutes in which no account is due."""
    made.psql("UPDATE hostaway.cadences SET next_due_at = now() + interval '1 day'")
    time.sleep(120)  # the runs at work linger, and the marts are built once more
    before = cpu_seconds(stack, database)
    time.sleep(_IDLE_SECONDS)
    return (cpu_seconds(stack, database) - before) / _IDLE_SECONDS, pss_mb(stack, database)


def large() -> list[Figure]:
    """20 accounts of seven listings and 787 reservations: a reconcile of which nothing has changed."""
    case = f"{LARGE} × 7:787, reconcile, nothing changed"
    with stand([f"1-{LARGE}:7:787"], latency=0.0, server=("none", "none"), token_delay=0) as made:
        made.environment["HOSTAWAY_TRAILS_SHARE"] = "0"
        add_accounts(made, LARGE)
        database = postmaster(made)
        with running(made) as stack:
            wait_for(made, DONE, LARGE, 1800)
            time.sleep(150)  # the run that did it lingers, and the marts are built
            made.reset_counters()
            made.psql("UPDATE hostaway.cadences SET succeeded_at = NULL, next_due_at = CASE WHEN mode = 'reconcile' "
                      "THEN now() - interval '1 h' ELSE now() + interval '1 h' END")  # fmt: skip
            before = cpu_seconds(stack, database)
            wait_for(made, DONE, LARGE, 600)
            used = cpu_seconds(stack, database) - before
        calls = made.counters()["total"]
    return [
        at_most(f"{case}: calls each", calls / LARGE, 14, "", "the pages of the three lists: 11"),
        at_most(f"{case}: CPU each, stack and Postgres", used / LARGE, 0.7, " s", "none"),
    ]


def run() -> list[Figure]:
    return [*small(), *large()]


if __name__ == "__main__":
    print(table(run()))
