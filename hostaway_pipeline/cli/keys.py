"""`hostaway keys`: the keys of secrets at rest."""

from typing import Annotated

import typer

from hostaway_pipeline.cli.output import complain, say, say_json, stderr
from hostaway_pipeline.cli.session import services
from hostaway_pipeline.security.keyring import generate_key

app = typer.Typer(help="Keys of secrets at rest.", no_args_is_help=True)


@app.command()
def generate(
    key_id: Annotated[str, typer.Option("--id", help="A name for the key, such as the year and month.")],
) -> None:
    """Print a new `id:key`. Put it first in HOSTAWAY_ENCRYPTION_KEYS, keep the old ones behind it, then rotate."""
    say(f"{key_id}:{generate_key()}")


@app.command()
def rotate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Encrypt every stored secret with the active key, those in clear included. Running it again is harmless."""
    with services() as opened:
        for total in opened.secrets.rotate(dry_run=dry_run):
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
    """Tell whether every key that stored secrets need is here and right."""
    with services() as opened:
        say(f"keys {', '.join(opened.keyring.ids)}: all right, {opened.keyring.active_id} is active")
