"""Days of 1,300 accounts at the lower published limit, in simulated time: windows, even refreshes, outages."""

import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.figures import Figure, at_most, table
from hostaway_pipeline.domain.cadences import Plan
from hostaway_pipeline.domain.durations import Window
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.embedded.postgres import EmbeddedPostgres
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.migrate import migrate
from tests.integration.fleet_model import Fleet

ACCOUNTS, HOUR = 1300, timedelta(hours=1)
# Of small accounts: their calls, as bench/reconcile.py and bench/fleet.py count them.
CALLS = {"reconcile": 3, "refresh": 3, "listings": 1}
WINDOW = Window(time(2), 6 * HOUR)
EVENING = datetime(2026, 11, 30, 20, tzinfo=UTC)
BROKEN = range(20, ACCOUNTS + 1, 20)  # 5% of the accounts fail all the time


def run() -> list[Figure]:
    plan = Plan(WINDOW, ZoneInfo("UTC"), {"refresh": timedelta(minutes=15), "listings": 8 * HOUR})
    limit = RateLimit(15, 10)
    with tempfile.TemporaryDirectory(prefix="hostaway-bench-") as folder, EmbeddedPostgres(Path(folder)) as server:
        server.ensure_database("days")
        database = Database(server.url("days"))
        migrate(database)
        database.dispose()
        fleet = Fleet(
            server.url("days"),
            plan,
            range(1, ACCOUNTS + 1),
            EVENING,
            limit=limit,
            calls=CALLS,
            is_broken=lambda account_id, _: account_id in BROKEN,
        )
        fleet.simulate(26 * HOUR)
        intervals, runs = fleet.intervals("refresh"), fleet.outcome.most_runs
        fleet.close()
    start = EVENING + 6 * HOUR
    ends = [end for mode, _, end in fleet.outcome.done if mode == "reconcile"]
    outside = sum(not start <= end < start + WINDOW.length for end in ends)
    case = f"{ACCOUNTS:,} accounts at {limit}, {len(BROKEN)} of them failing, 26 simulated hours"
    healthy = ACCOUNTS - len(BROKEN)
    floor = ACCOUNTS * CALLS["refresh"] / (0.8 * limit.requests / limit.seconds) / 60
    return [
        at_most(f"{case}: accounts not reconciled exactly once", abs(len(ends) - healthy), 0, "", "one each"),
        at_most(f"{case}: reconciles that ended outside of the window", outside, 0, "", str(WINDOW)),
        at_most(f"{case}: longest refresh interval to the shortest", max(intervals) / min(intervals), 2, "×", "1"),
        at_most(f"{case}: longest refresh interval", max(intervals) / timedelta(minutes=1), 2.5 * floor, " min",
                f"80% of the limit: {floor:.0f} min"),
        at_most(f"{case}: sweeper runs at once", runs, 2, "", "HOSTAWAY_SWEEPERS"),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table(run()))
