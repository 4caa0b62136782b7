"""`hostaway db`: the database under the copy."""

import os
import subprocess
from typing import Annotated

import typer

from hostaway_pipeline.cli.output import say
from hostaway_pipeline.cli.session import configured, services
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.wiring import psql_command

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command()
def migrate() -> None:
    """Bring the schema up to date. The embedded database does this by itself."""
    with services(checked=False, migrated=False) as opened:
        opened.migrate()
        say("the schema is up to date")


@app.command()
def url(
    show_password: Annotated[bool, typer.Option("--show-password", help="With the password, for a script.")] = False,
) -> None:
    """Print where the database is."""
    with services(checked=False, migrated=False) as opened:
        say(opened.database.url(show_password=show_password))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database; further arguments go to psql, such as -c 'SELECT …'."""
    settings = configured()
    command, environment = psql_command(settings)
    try:
        done = subprocess.run([*command, *context.args], env={**os.environ, **environment}, check=False)
    except FileNotFoundError:
        raise ConfigurationError("psql is not installed; `hostaway db url` tells where the database is") from None
    raise typer.Exit(done.returncode)
