"""What accounts leave behind in days, and what the nightly purge leaves of it: sizes, times, and ticks beside it.

Thirty days fill both databases, as the settings keep a month by default. Each of the twenty after them ends with the
real purge: its settings count the days that are still to come as well, so that its cut is that of its day. A tenth of
the accounts leaves a tenth of the rows; THIRTY_ACCOUNTS=1300 takes 20 GB.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import cast
from urllib.request import Request, urlopen

from dagster import build_schedule_context, build_sensor_context

from bench.figures import Figure, at_most, table
from bench.one_day import ACCOUNTS, FLEET, WEBHOOKS_A_DAY, Kind, Place, first_syncs, one_day, place
from bench.repeated_days import Days
from hostaway_pipeline.definitions import build_defs
from hostaway_pipeline.defs.resources import HostawayResource
from hostaway_pipeline.wiring import DAGSTER_DATABASE, DATABASE
from tests.receiver.steps import KEY, running_on

FLEET_SHARE = int(os.environ.get("THIRTY_ACCOUNTS", str(2 * ACCOUNTS)))
MONTH, EARLY, LAST = 30, 40, 50
# For longer than a month.
KEPT = ("reservation_versions",)
PURGED = ("sync_runs", "webhook_events", "webhook_heads")
_SIZES = "SELECT relname, pg_total_relation_size(oid) / 1e6 FROM pg_class WHERE relkind = 'r' AND relnamespace = "
# What autovacuum would vacuum in the meantime, by the thresholds that Postgres has by default.
_TO_VACUUM = """
    SELECT relid::regclass::text FROM pg_stat_user_tables JOIN pg_class ON pg_class.oid = relid
    WHERE n_dead_tup > 50 + 0.2 * greatest(reltuples, 0) OR n_ins_since_vacuum > 1000 + 0.2 * greatest(reltuples, 0)
"""
Sizes = dict[str, float]


def sizes(made: Place) -> dict[str, Sizes]:
    """MB per table with its indexes, in each database."""
    schemas = {DATABASE: "'hostaway'::regnamespace", DAGSTER_DATABASE: "'public'::regnamespace"}
    return {
        database: {name: float(size) for name, size in made.execute(_SIZES + schema, database=database)}
        for database, schema in schemas.items()
    }


def vacuum(made: Place) -> None:
    for database in (DATABASE, DAGSTER_DATABASE):
        for (name,) in made.execute(_TO_VACUUM, database=database):
            made.execute(f"VACUUM (ANALYZE) {name}", database=database)


def purge(made: Place, kept: int) -> float:
    """Run the nightly job with that many days kept; returns its seconds."""
    os.environ |= {"HOSTAWAY_EVENTS_KEPT_DAYS": str(kept), "HOSTAWAY_RUNS_KEPT_DAYS": str(kept)}
    return seconds(lambda: made.run(build_defs().resolve_job_def("purge")))


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def ticks(made: Place) -> dict[str, float]:
    """Seconds of the quickest of seven evaluations, by sensor and schedule, while accounts are due."""
    defs, resources = build_defs(), {"hostaway": HostawayResource()}

    def look(sensor: str) -> None:
        with build_sensor_context(made.instance, resources=resources) as context:
            defs.resolve_sensor_def(sensor)(context)

    def peek(schedule: str) -> None:
        with build_schedule_context(made.instance, resources=resources) as context:
            list(cast(Iterable[object], defs.resolve_schedule_def(schedule)(context)))

    made.execute("UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h' WHERE mode = 'refresh'")
    sensors = ("webhook_events_sensor", "accounts_sensor", "liveness_sensor")
    schedules = [f"{mode}_schedule" for mode in ("reconcile", "refresh", "listings", "trails")]
    return {name: quickest(partial(look, name)) for name in sensors} | {
        name: quickest(partial(peek, name)) for name in schedules
    }


def quickest(work: Callable[[], object], times: int = 7) -> float:
    return min(seconds(work) for _ in range(times))


def reads(made: Place) -> dict[str, float]:
    """Seconds of the quickest of a few reads of what people and Prometheus ask."""

    def get(path: str) -> None:
        with urlopen(Request(receiver.url + path, headers={"Authorization": f"Bearer {KEY}"})) as response:
            response.read()

    with running_on(made.urls[DATABASE], made.sandbox) as receiver:
        found = {f"GET {path}": quickest(partial(get, path)) for path in ("/metrics", "/accounts")}
    command = [sys.executable, "-m", "hostaway_pipeline", "accounts", "list"]
    listed = quickest(partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL), 3)
    return found | {"hostaway accounts list": listed}


def simulate(made: Place, days: Days) -> tuple[dict[int, dict[str, Sizes]], list[float], float]:
    """The sizes at the end of some days, the seconds of each night's purge, and the most that old ticks took."""
    found, nights, ticks_purged = {}, [], []
    for day in range(1, LAST + 1):
        ago = timedelta(days=LAST - day)
        days.add(day, ago)
        if day > MONTH:
            nights.append(purge(made, MONTH + ago.days))
        ticks_purged.append(seconds(partial(days.purge_ticks, ago)))
        vacuum(made)
        if day in (EARLY, LAST):
            found[day] = sizes(made)
    return found, nights, max(ticks_purged)


def growth(found: dict[int, dict[str, Sizes]], database: str, names: Iterable[str]) -> tuple[float, str]:
    """The last size to the early one; and in words, the largest tables.

    By the early day, the space of deleted rows is used again: autovacuum waits until a fifth of a table is dead.
    """
    chosen = set(names)
    early, last = ({name: mb for name, mb in found[day][database].items() if name in chosen} for day in (EARLY, LAST))
    largest = sorted(last, key=lambda name: -last[name])[:3]
    text = ", ".join(f"{name} {early[name]:.0f} → {last[name]:.0f} MB" for name in largest)
    return sum(last.values()) / sum(early.values()), text


def run() -> list[Figure]:
    with place() as made:
        first_syncs(made)
        return figures(made, one_day(made))


def figures(made: Place, kinds: list[Kind]) -> list[Figure]:
    days = Days(made, kinds, FLEET_SHARE)
    empty = ticks(made)
    found, nights, ticks_purged = simulate(made, days)
    evaluated, asked = ticks(made), reads(made)
    backlog = purge(made, 1)
    case = f"{FLEET_SHARE:,} accounts, {WEBHOOKS_A_DAY} webhooks a day each, {LAST} simulated days"
    ours, ours_text = growth(found, DATABASE, PURGED)
    dagsters, dagsters_text = growth(found, DAGSTER_DATABASE, found[LAST][DAGSTER_DATABASE])
    per_day = {
        "with retention": sum(found[LAST][DATABASE][name] for name in PURGED) / MONTH,
        "Dagster's": sum(found[LAST][DAGSTER_DATABASE].values()) / MONTH,
        "versions": sum(found[LAST][DATABASE][name] for name in KEPT) / LAST,
    }
    state = ", ".join(f"{name} {mb / FLEET_SHARE * 1000:.0f} KB" for name, mb in per_day.items())
    slowest = max(evaluated, key=lambda name: evaluated[name])
    slowest_read = max(asked, key=lambda name: asked[name])
    most = 300 * FLEET_SHARE / FLEET
    five_minutes = f"5 min for {FLEET:,} accounts"
    return [
        at_most(f"{case}: our tables with retention, day {LAST} to day {EARLY}", ours, 1.1, "×", ours_text),
        at_most(f"{case}: Dagster's database, day {LAST} to day {EARLY}", dagsters, 1.1, "×", dagsters_text),
        at_most(f"{case}: state per account and day", sum(per_day.values()) / FLEET_SHARE, 0.5, " MB", state),
        at_most(f"{case}: longest purge of a day", max(nights), most, " s", five_minutes),
        at_most(f"{case}: purge of the {MONTH - 1} days before", backlog, most, " s", five_minutes),
        at_most(f"{case}: slowest tick of a sensor or schedule", evaluated[slowest], 0.2, " s",
                f"on the first day: {empty[slowest]:.3f} s"),
        at_most(f"{case}: deletion of old ticks, of all sensors and schedules", ticks_purged, 10, " s", "none"),
        at_most(f"{case}: {slowest_read}", asked[slowest_read], 5, " s",
                ", ".join(f"{name} {value:.3f}" for name, value in asked.items())),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table(run()))
