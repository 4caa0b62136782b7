"""`hostaway sync`: one account, here and now, without Dagster."""

from typing import Annotated, Any

import typer

from hostaway_pipeline.cli.accounts import AccountId
from hostaway_pipeline.cli.output import complain, say, say_json, say_table
from hostaway_pipeline.cli.progress import watched
from hostaway_pipeline.cli.session import services
from hostaway_pipeline.sync.pull import PullRequest, Report, pull


def sync(
    account_id: AccountId,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, no progress.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write no row.")] = False,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Mark any number of missing rows as deleted.")
    ] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another sync of this account.", min=0)] = 0,
) -> None:
    """Read one account completely: listings, reservations, conversations, messages."""
    with services() as opened:
        share = 1.0 if allow_mass_delete else opened.settings.max_delete_share
        request = PullRequest(account_id, max_delete_share=share, dry_run=dry_run, wait_seconds=wait)
        with watched(silent=as_json) as progress:
            report = pull(opened, request, progress)
    if as_json:
        say_json(as_dict(report))
    elif report.error is None:
        show(report, dry_run=dry_run)
    for entity, reason in report.problems.items():
        complain(f"account {account_id}, {entity}: {reason}")
    if report.error is not None:
        raise report.error
    if report.status != "succeeded":
        raise typer.Exit(1)


def show(report: Report, *, dry_run: bool = False) -> None:
    columns = ["", "fetched", "inserted", "updated", "unchanged", "deleted"]
    rows = [[entity, *counts.as_dict().values()] for entity, counts in report.entities.items()]
    say_table(f"Account {report.account_id}{': what would change' if dry_run else ''}", columns, rows)
    say(f"{report.api_calls} API calls, {report.http_429} answers 429, {report.seconds:.1f} s")


def as_dict(report: Report) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "account_id": report.account_id,
        "status": report.status,
        "seconds": report.seconds,
        "api_calls": report.api_calls,
        "http_429": report.http_429,
        "entities": {entity: counts.as_dict() for entity, counts in report.entities.items()},
    }
    if report.problems:
        shown["problems"] = report.problems
    if report.error is not None:
        shown["error"] = str(report.error)
    return shown
