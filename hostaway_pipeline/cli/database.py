"""`hostaway db`: commands for the database that holds the copy."""

import os
import subprocess
import time
from typing import Annotated

import typer

from hostaway_pipeline.cli import backups
from hostaway_pipeline.cli.analysts import PORT, serve_analysts
from hostaway_pipeline.cli.output import complain, say
from hostaway_pipeline.cli.session import configure, configured_services, services_for
from hostaway_pipeline.cli.stack import require_free
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.store.roles import ANALYST, AnalystRole, analyst_statements, grant_analysts
from hostaway_pipeline.wiring import dagster_database_url, embedded_postgres, psql_command

app = typer.Typer(help="Migrate, open and serve the database.", no_args_is_help=True)
app.command()(backups.backup)
app.command("restore")(backups.restore_backup)
app.command()(backups.upgrade)
_WATCH_SECONDS = 5
_READABLE: dict[AnalystRole, str] = {
    "analyst_read": "Readable: core and marts, once `hostaway marts build` has made them; nothing personal.",
    "analyst_pii": "Readable: core, marts, and pii with the names and texts of guests.",
    "analyst_raw": "Readable: core, marts, and the copy itself in the schema hostaway, payloads and texts included.",
}
Role = Annotated[AnalystRole, typer.Option(help="What the user may read: docs/analytics.md explains the roles.")]


@app.command()
def migrate() -> None:
    """Bring the schema up to date, and create Dagster's database. The embedded ones are made automatically."""
    with configured_services(checked=False, migrated=False) as services:
        services.migrate()
        say("the schema is up to date")
        dagster_database_url(services.settings, services)


@app.command()
def url(
    show_password: Annotated[bool, typer.Option("--show-password", help="Include the password, for scripts.")] = False,
) -> None:
    """Print the URL of the database."""
    with configured_services(checked=False, migrated=False) as services:
        say(services.database.url(show_password=show_password))
        if services.settings.database_url is None:
            complain(
                "this server stops when its last command ends; `hostaway db serve` keeps it up, for other programs"
            )


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on the loopback interface.", min=1, max=65535)] = PORT,
    role: Role = "analyst_read",
) -> None:
    """Keep the embedded database reachable for analysts, and print how they connect. Ctrl-C stops.

    They read as the user `analyst`, whose password is new each time. With a server of your own, nothing is started:
    the statements that create the user are printed.
    """
    settings = configure()
    if settings.database_url is not None:
        with services_for(settings, migrated=False, checked=False) as services:
            say(f"-- The database is reachable already: {services.database.url()}")
        say("-- Run this there as a superuser or the tables' owner, then set a password: \\password analyst\n")
        say(analyst_statements(ANALYST, role))
        return
    require_free(port, "--port")
    with services_for(settings, checked=False) as services, serve_analysts(settings, services, port, role) as access:
        say("Analysts can connect from this machine until Ctrl-C, with this password:\n")
        for line in access.lines():
            say(line)
        say(f"\n{_READABLE[role]}")
        while True:
            time.sleep(_WATCH_SECONDS)
            embedded_postgres(settings.home.absolute()).start()  # again, if it was killed


@app.command()
def grant(
    user: Annotated[
        str | None, typer.Option(help="An existing user of the database, who becomes a member of the role.")
    ] = None,
    role: Role = "analyst_read",
    print_only: Annotated[bool, typer.Option("--print", help="Print the statements and change nothing.")] = False,
) -> None:
    """Create or repair the roles analyst_read, analyst_pii and analyst_raw.

    A server that refuses to create roles gets nothing: the statements are printed, for its administrator.
    """
    with configured_services(checked=False) as services:
        if print_only:
            say(analyst_statements(user, role))
            return
        if not grant_analysts(services.database, user, role):
            say(analyst_statements(user, role))
            raise ConfigurationError("the server does not let us create roles: let its administrator run the above")
    say("the roles are up to date" if user is None else f"{user} is a member of {role}, and of no other role of ours")


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
