"""Compares a KPI table with the oracle's, cell by cell: counts and money exactly, ratios and means to 1e-9."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from tests.analytics.oracle.kpis import KEYS, Table

TOLERANCE = Fraction(1, 10**9)


def as_table(name: str, rows: Iterable[Mapping[str, Any]]) -> Table:
    """The rows by their key; fails where two rows have the same one."""
    table: Table = {}
    for row in rows:
        key = tuple(row[column] for column in KEYS[name])
        assert key not in table, f"{name} has two rows for {key}"
        table[key] = {column: value for column, value in row.items() if column not in KEYS[name]}
    return table


def differences(name: str, expected: Table, found: Table) -> list[str]:
    """A line per missing row, surplus row and wrong value, in the order of the keys."""
    lines: list[str] = []
    for key in sorted(expected.keys() | found.keys(), key=str):
        at = f"{name} {', '.join(map(str, key))}"
        if key not in found:
            lines.append(f"{at}: missing; oracle {_shown(expected[key])}")
        elif key not in expected:
            lines.append(f"{at}: not known to the oracle; found {_shown(found[key])}")
        else:
            lines += [
                f"{at}: {column}: oracle {_text(wanted)}, found {_text(got)}"
                for column, wanted, got in _cells(expected[key], found[key])
                if not _is_equal(wanted, got)
            ]
    return lines


def _cells(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    for column in sorted(expected.keys() | found.keys()):
        yield column, expected.get(column, "no such column"), found.get(column, "no such column")


def _is_equal(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, Fraction) and got is not None and not isinstance(got, str):
        return abs(Fraction(got) - wanted) <= TOLERANCE * max(1, abs(wanted))
    return bool(wanted == got)


def _text(value: Any) -> str:
    return f"{float(value):.12g} ({value})" if isinstance(value, Fraction) else repr(value)


def _shown(row: Mapping[str, Any]) -> str:
    """The row without what is null or zero."""
    return ", ".join(f"{column} {_text(value)}" for column, value in row.items() if value)
