"""A million nights in the marts: built from nothing, after 200 changes, and again when nothing has moved."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from bench.figures import Figure, at_most, table
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate

PROJECT = Path(__file__).parents[1] / "dbt_models"
ACCOUNTS, LISTINGS, STAYS, CHANGES = 20, 50, 225, 200
# 225,000 reservations, each of another guest, of which 214,000 take nights; three finance lines each.
FILL = f"""
INSERT INTO hostaway.accounts (account_id) SELECT a FROM generate_series(1, {ACCOUNTS}) AS a;
INSERT INTO hostaway.listings (account_id, id, customer_id, raw_payload, content_hash, time_zone, currency, inserted_at)
SELECT a, a * 1000 + l, gen_random_uuid(), '{{}}', '', 'Europe/Berlin', 'EUR', '2023-01-01'
FROM generate_series(1, {ACCOUNTS}) AS a, generate_series(1, {LISTINGS}) AS l;
INSERT INTO hostaway.reservations (
    account_id, id, customer_id, raw_payload, content_hash, listing_id, channel_id, status, arrival_date,
    departure_date, total_price, currency, reserved_at, finance_read_at, guest_id
)
SELECT
    l.account_id, l.id * 1000 + r, l.customer_id, '{{}}', '', l.id, 2018,
    CASE WHEN r % 20 = 0 THEN 'cancelled' ELSE 'new' END,
    date '2023-01-01' + r * 7, date '2023-01-01' + r * 7 + 3 + (r * l.id::int) % 5, 500.55, 'EUR',
    timestamptz '2022-12-01' + r * interval '7 days', now(), gen_random_uuid()
FROM hostaway.listings AS l, generate_series(1, {STAYS}) AS r;
INSERT INTO hostaway.reservation_finance_lines (
    account_id, reservation_id, line_no, name, type, total, is_included, is_deleted
)
SELECT
    account_id, id, n, (ARRAY['baseRate', 'cleaningFee', 'hostChannelFee'])[n + 1],
    (ARRAY['accomodation', 'fee', 'commissions'])[n + 1], (ARRAY[450.55, 50, 70.11])[n + 1], n < 2, false
FROM hostaway.reservations, generate_series(0, 2) AS n;
ANALYZE;
"""
# What a build every 15 minutes leaves out.
FREQUENT = ("--exclude", "tag:nightly")
CHANGE = f"""
UPDATE hostaway.reservations AS r
SET updated_at = clock_timestamp(),
    status = CASE c.kind WHEN 0 THEN 'cancelled' ELSE 'modified' END,
    departure_date = CASE c.kind WHEN 1 THEN r.arrival_date + 1 ELSE r.departure_date END,
    listing_id = CASE c.kind WHEN 2 THEN r.account_id * 1000 + 1 ELSE r.listing_id END,
    deleted_at = CASE c.kind WHEN 3 THEN clock_timestamp() END
FROM (
    SELECT account_id, id, row_number() OVER (ORDER BY md5(id::text)) % 4 AS kind
    FROM hostaway.reservations ORDER BY md5(id::text) LIMIT {CHANGES}
) AS c
WHERE (r.account_id, r.id) = (c.account_id, c.id)
"""


@dataclass(frozen=True)
class Build:
    """Seconds that statements took, tests included, as Postgres counts; CPU seconds of the command and of Postgres."""

    sql: float
    command: float
    postgres: float


class Marts:
    def __init__(self, server: EmbeddedPostgres, work: Path) -> None:
        self._url = server.url("hostaway")
        self._work = work
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "HOSTAWAY_DBT_HOST": str(server.socket().parent),
            "HOSTAWAY_DBT_USER": "postgres",
            "HOSTAWAY_DBT_DATABASE": "hostaway",
            "DBT_TARGET_PATH": str(work),
            "DBT_LOG_PATH": str(work),
        }

    def execute(self, statements: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statements.encode())

    def nights(self) -> int:
        with psycopg.connect(self._url) as connection:
            found = connection.execute("SELECT count(*) FROM marts.fct_reservation_nights").fetchone()
        assert found is not None
        return int(found[0])

    def build(self, *options: str) -> Build:
        command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "build", "--exclude-resource-type", "unit_test"]
        folders = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        before, server, active = resource.getrusage(resource.RUSAGE_CHILDREN), self._server_seconds(), self._active()
        subprocess.run([*command, *folders, *options], env=self._environment, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        time.sleep(1)  # sessions report their times when they end
        return Build(self._active() - active, spent, self._server_seconds() - server)

    def _active(self) -> float:
        """Seconds that Postgres has spent on statements of this database."""
        with psycopg.connect(self._url) as connection:
            found = connection.execute(
                "SELECT active_time / 1000 FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        assert found is not None
        return float(found[0])

    def _server_seconds(self) -> float:
        """CPU seconds of the server: its ended sessions count as the postmaster's children."""
        postmaster = psutil.Process(int((self._work.parent / "postgres" / "postmaster.pid").read_text().split()[0]))
        times = postmaster.cpu_times()
        seconds = times.children_user + times.children_system
        for child in postmaster.children():
            with suppress(psutil.NoSuchProcess):  # ended since it was listed
                living = child.cpu_times()
                seconds += living.user + living.system
        return float(seconds)


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as server:
        server.ensure_database("hostaway")
        database = Database(server.url("hostaway"))
        migrate(database)
        database.dispose()
        work = Path(folder) / "dbt"
        work.mkdir()
        marts = Marts(server, work)
        marts.execute(FILL)
        full, nights = marts.build(), marts.nights()
        marts.execute("VACUUM ANALYZE")
        marts.build()
        marts.execute(CHANGE)
        changed, idle = marts.build(*FREQUENT), marts.build(*FREQUENT)
    case = f"{nights:,} nights of {ACCOUNTS} accounts"
    note = f"{changed.postgres:.1f} CPU-s of Postgres; idle: {idle.sql:.1f} s"
    return [
        at_most(
            f"{case}: SQL of a full build",
            full.sql,
            40,
            " s",
            f"two at a time, tests included; {full.postgres:.1f} CPU-s of Postgres",
        ),
        at_most(f"{case}: SQL of a build after {CHANGES} changes", changed.sql, 2, " s", note),
        at_most(
            f"{case}: a build when nothing has moved, CPU",
            idle.command + idle.postgres,
            12,
            " CPU-s",
            f"{idle.command:.1f} dbt, {idle.postgres:.1f} Postgres",
        ),
    ]


if __name__ == "__main__":
    print(table(run()))
