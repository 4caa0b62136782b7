"""`hostaway marts`: builds the models for analysts by hand. dbt runs in a process of its own, as for Dagster."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from hostaway_pipeline.cli.output import say
from hostaway_pipeline.cli.session import configured_services

app = typer.Typer(help="Build and describe the tables for analysts.", no_args_is_help=True)


@app.command()
def build(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Empty and refill every table in place.")
    ] = False,
    select: Annotated[
        str | None, typer.Option(help="Only these models, such as marts.* or +kpi_listing_month.")
    ] = None,
) -> None:
    """Bring the tables for analysts up to date, and run their tests. Dagster does this every quarter of an hour."""
    with configured_services(checked=False):
        _dbt("build", *(["--full-refresh"] if full_refresh else []), *(["--select", select] if select else []))


@app.command()
def docs(folder: Annotated[Path, typer.Argument(help="Where to put index.html.")] = Path("site")) -> None:
    """Write the description of all models as one HTML page, which needs no server."""
    with configured_services(checked=False) as services:
        _dbt("docs", "generate", "--static")
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / "index.html"
        shutil.copyfile(services.settings.home / "dbt" / "target" / "static_index.html", page)
        say(f"{page} describes the models and shows their lineage")


def _dbt(*command: str) -> None:
    status = subprocess.run([sys.executable, "-m", "hostaway_pipeline.marts", *command], check=False).returncode
    if status:
        raise typer.Exit(1)
