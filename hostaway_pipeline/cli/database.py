"""`hostaway db`: commands for the database that holds the copy."""

import os
import subprocess
from typing import Annotated

import typer

from hostaway_pipeline.cli.output import say
from hostaway_pipeline.cli.session import configure, configured_services
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.wiring import psql_command

app = typer.Typer(help="Migrate and open the database.", no_args_is_help=True)


@app.command()
def migrate() -> None:
    """Bring the schema up to date. The embedded database is migrated automatically."""
    with configured_services(checked=False, migrated=False) as services:
        services.migrate()
        say("the schema is up to date")


@app.command()
def url(
    show_password: Annotated[bool, typer.Option("--show-password", help="Include the password, for scripts.")] = False,
) -> None:
    """Print the URL of the database."""
    with configured_services(checked=False, migrated=False) as services:
        say(services.database.url(show_password=show_password))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database. Further arguments are passed to psql, such as -c 'SELECT …'."""
    settings = configure()
    command, environment = psql_command(settings)
    try:
        process = subprocess.run([*command, *context.args], env={**os.environ, **environment}, check=False)
    except FileNotFoundError:
        raise ConfigurationError("psql is not installed; `hostaway db url` prints the URL of the database") from None
    raise typer.Exit(process.returncode)
