"""`hostaway keys`: the keys that encrypt stored secrets."""

from typing import Annotated

import typer

from hostaway_pipeline.cli.output import complain, say, say_json, stderr
from hostaway_pipeline.cli.session import configured_services
from hostaway_pipeline.security.keyring import generate_key

app = typer.Typer(help="Manage the keys that encrypt stored secrets.", no_args_is_help=True)


@app.command()
def generate(
    key_id: Annotated[str, typer.Option("--id", help="A name for the key, such as the year and month.")],
) -> None:
    """Print a new `id:key`. Put it first in HOSTAWAY_ENCRYPTION_KEYS, keep the old keys after it, then rotate."""
    say(f"{key_id}:{generate_key()}")


@app.command()
def rotate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Encrypt every stored secret with the active key, including any in plain text. Safe to repeat."""
    with configured_services() as services:
        for total in services.secrets.rotate(dry_run=dry_run):
            if stderr.is_terminal and not as_json:
                stderr.print(f"{total.rotated} rotated, {total.skipped} skipped", end="\r")
    failures = total.failures or []
    if as_json:
        say_json({"rotated": total.rotated, "skipped": total.skipped, "failed": len(failures), "dry_run": dry_run})
    else:
        would = " would be" if dry_run else ""
        say(f"{total.rotated}{would} rotated, {total.skipped} skipped, {len(failures)} failed")
    for failure in failures:
        complain(failure)
    if failures:
        raise typer.Exit(1)


@app.command()
def check() -> None:
    """Check that every key that stored secrets need is configured and correct."""
    with configured_services() as services:
        say(f"keys {', '.join(services.keyring.ids)}: all correct, {services.keyring.active_id} is active")
