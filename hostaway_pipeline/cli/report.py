"""`hostaway report`: writes the portfolio report by hand. Dagster writes it once a night."""

import webbrowser
from typing import Annotated

import typer

from hostaway_pipeline.cli.arguments import LARGEST_ID
from hostaway_pipeline.cli.output import say
from hostaway_pipeline.cli.session import configured_services


def report(
    account: Annotated[
        int | None,
        typer.Option(metavar="ID", help="Of one account, with its listings. Default: of all.", min=1, max=LARGEST_ID),
    ] = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write occupancy, rates, channels and answers as one HTML page, which needs no server."""
    # Altair takes half a second to import, which only this command needs.
    from hostaway_pipeline.report.write import write_report  # noqa: PLC0415

    with configured_services(checked=False) as services:
        path = write_report(services, account).path
    say(f"{path} needs nothing else: open it, print it, or mail it")
    if is_opened:
        webbrowser.open(path.as_uri())
