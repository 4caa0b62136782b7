"""Root of the `hostaway` command: its groups, and the one place that turns an error into a line and exit status 1."""

import os
import sys

import typer

from hostaway_pipeline.cli import (
    accounts,
    database,
    demo,
    doctor,
    events,
    guests,
    keys,
    marts,
    report,
    sandbox,
    sync,
    up,
)
from hostaway_pipeline.cli.arguments import is_text
from hostaway_pipeline.cli.output import complain
from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.stopping import unwind_on_signals

app = typer.Typer(
    name="hostaway",
    help="Keeps a complete, fresh copy of Hostaway accounts in Postgres.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("sync")(sync.sync)
app.command("report")(report.report)
app.command("sandbox")(sandbox.sandbox)
app.add_typer(doctor.app, name="doctor")
app.add_typer(accounts.app, name="accounts")
app.add_typer(events.app, name="events")
app.add_typer(guests.app, name="guests")
app.add_typer(keys.app, name="keys")
app.add_typer(database.app, name="db")
app.add_typer(marts.app, name="marts")


def main() -> None:
    """Run the command. Exit with status 0 only when it has done what was requested."""
    unwind_on_signals()
    if not all(map(is_text, sys.argv)):
        complain("an argument is not valid UTF-8")
        sys.exit(2)
    try:
        app()
    except PipelineError as error:
        complain(str(error))
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
