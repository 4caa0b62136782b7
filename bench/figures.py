"""A measured figure with the bound it must keep, and the table of figures."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of RESULTS.md. `floor` describes what the figure is compared with: a limit, or a measured peer."""

    case: str
    measured: str
    must: str
    floor: str
    holds: bool


def table(figures: Iterable[Figure]) -> str:
    lines = ["| case | measured | must | floor or peer | holds |", "|---|---|---|---|---|"]
    lines += [f"| {f.case} | {f.measured} | {f.must} | {f.floor} | {'yes' if f.holds else '**no**'} |" for f in figures]
    return "\n".join(lines)


def at_most(case: str, value: float, bound: float, unit: str, floor: str) -> Figure:
    return Figure(case, f"{value:,.4g}{unit}", f"≤ {bound:,.4g}{unit}", floor, value <= bound)


def at_least(case: str, value: float, bound: float, unit: str, floor: str) -> Figure:
    return Figure(case, f"{value:,.4g}{unit}", f"≥ {bound:,.4g}{unit}", floor, value >= bound)
