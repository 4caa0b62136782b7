"""The tables of docs/scaling.md are what `hostaway doctor capacity` would print. Run this module to print them."""

from pathlib import Path

import pytest

from hostaway_pipeline.domain.capacity import ACCOUNTS, Capacity, Deployment
from hostaway_pipeline.domain.durations import rounded
from hostaway_pipeline.domain.limits import RateLimit

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
LIMITS = (RateLimit(200, 10), RateLimit(15, 10))
NUMBERS = (10, 100, 1_000, 1_300, 10_000)
# Calls per account and night of the system that this one replaces: measured, and counted from its requests.
REPLACED = {"with every message": 812, "without messages": 100}
NIGHT = 86_400


def binds(found: Capacity) -> str:
    if found.nightly > found.deployment.window:
        return "window"
    return "nothing" if found.binding is None else "refresh interval"


def sizes_table(size: str) -> str:
    lines = [
        f"| accounts of {size} | limit per IP | a night's reconciles | refresh every | first syncs | cores | binds "
        "| IPs for the night | IPs for all |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for limit in LIMITS:
        for number in NUMBERS:
            found = Capacity(Deployment(number, 1, limit), ACCOUNTS[size])
            every = "never" if found.refresh_every is None else rounded(found.refresh_every)
            lines.append(
                f"| {number:,} | {limit} | {rounded(found.nightly)} | {every} | {rounded(found.first_syncs)} "
                f"| {found.cores:.2f} | {binds(found)} | {found.egresses_for_window} | {found.egresses_for_all} |"
            )
    return "\n".join(lines)


def costs_table() -> str:
    lines = ["| calls | first sync | reconcile | refresh | listings |", "|---|---|---|---|---|"]
    for size, cost in ACCOUNTS.items():
        lines.append(
            f"| {size} | {cost.first} | {cost.reconcile.calls} | {cost.refresh.calls} | {cost.listings.calls} |"
        )
    return "\n".join(lines)


def night_table() -> str:
    """Accounts of 7:787 that one IP address reads once in 24 hours, with nothing else."""
    cost = ACCOUNTS["7:787"]
    rows = {f"the system that this one replaces, {what}": calls for what, calls in REPLACED.items()}
    lines = ["| read once in 24 hours | calls each | 200/10 | 15/10 |", "|---|---|---|---|"]
    for what, calls in rows.items():
        lines.append(_line(what, calls, [NIGHT * limit.requests / limit.seconds / calls for limit in LIMITS]))
    for share, what in ((1 / 30, "a thirtieth of the conversations read again"), (0.0, "none read again")):
        nights = [Capacity(Deployment(1, 1, limit, reread_share=share), cost).nightly for limit in LIMITS]
        calls = round(nights[0].total_seconds() * LIMITS[0].per_second)
        lines.append(_line(f"reconciled, {what}", calls, [NIGHT / night.total_seconds() for night in nights]))
    return "\n".join(lines)


def _line(what: str, calls: int, numbers: list[float]) -> str:
    return f"| {what} | {calls} | " + " | ".join(f"{number:,.0f}" for number in numbers) + " |"


TABLES = [costs_table(), night_table(), *map(sizes_table, ACCOUNTS)]


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_the_figures_of_the_command(table: str) -> None:
    assert table in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    print("\n\n".join(TABLES))  # noqa: T201
