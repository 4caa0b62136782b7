"""Output of the command: results on stdout, errors and progress on stderr, one JSON object with --json."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

# Rich assumes 80 columns for a pipe, which would wrap long lines.
stdout = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)
stderr = Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    stdout.print(text, soft_wrap=True)


def say_json(value: Mapping[str, Any]) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_UTC_Z).decode())


def say_table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(
            column, justify="right" if rows and isinstance(rows[0][columns.index(column)], int) else "left"
        )
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    stdout.print(table)


def complain(text: str) -> None:
    stderr.print(f"hostaway: {text}", soft_wrap=True)
