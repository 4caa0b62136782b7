"""A million states of bookings: those of a past day, of all accounts and of one, and the pace that they make."""

import tempfile
import time
from pathlib import Path

import psycopg

from bench.analytics import ACCOUNTS, FILL, Marts
from bench.figures import Figure, at_most, table
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate

TURNS = 7
TABLES = ("core.booking_versions", "marts.kpi_pace")
# Three or four superseded states for each of the 225,000 reservations: other nights, another price.
VERSIONS = """
INSERT INTO hostaway.reservation_versions (
    account_id, reservation_id, listing_id, channel_id, status, arrival_date, departure_date, total_price, currency,
    reserved_at, finance_lines, is_deleted, valid_to, valid_to_source, seen_at, source, is_reconstructed
)
SELECT
    r.account_id, r.id, r.listing_id, r.channel_id, 'new', r.arrival_date, r.departure_date + n, 400 + n, 'EUR',
    r.began,
    CASE WHEN n = 1 THEN jsonb_build_array(jsonb_build_object(
        'name', 'baseRate', 'type', 'accomodation', 'total', 400 + r.id % 100, 'is_included', true, 'is_deleted', false
    )) END,
    false, r.began + n * interval '15 days', 'hostaway', r.began + n * interval '15 days', 'copy', false
FROM (
    SELECT *, least(reserved_at, now() - interval '80 days') AS began FROM hostaway.reservations
) AS r, generate_series(1, 4) AS n
WHERE n < 4 OR r.id % 9 < 4;
ANALYZE hostaway.reservation_versions
"""
ALL = "SELECT count(*), sum(rent), sum(nights) FROM core.as_of('2025-06-30')"


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
        marts.execute(VERSIONS)
        built = marts.build("--select", "+kpi_pace")
        marts.execute("VACUUM ANALYZE")
        with psycopg.connect(server.url("hostaway"), autocommit=True) as connection:
            versions, pace = (_one(connection, f"SELECT count(*) FROM {name}") for name in TABLES)
            whole = _seconds(connection, ALL)
            one = _seconds(connection, f"{ALL} WHERE account_id = 7")
    case = f"{versions:,} states of bookings of {ACCOUNTS} accounts"
    return [
        at_most(f"{case}: core.as_of(day), all accounts", whole, 0.5, " s", f"the least of {TURNS}"),
        at_most(f"{case}: core.as_of(day), one account", one, 0.1, " s", f"the least of {TURNS}"),
        at_most(
            f"{case}: rows of kpi_pace per state",
            pace / versions,
            4,
            "",
            f"{pace:,} rows; {built.postgres:.0f} CPU-s to build both and what they need",
        ),
    ]


def _one(connection: psycopg.Connection, query: str) -> int:
    found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return int(found[0])


def _seconds(connection: psycopg.Connection, query: str) -> float:
    """The shortest of several turns: a shared machine only ever makes it longer."""
    times = list[float]()
    for _ in range(TURNS):
        started = time.perf_counter()
        _one(connection, query)
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    print(table(run()))
