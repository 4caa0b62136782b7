"""`hostaway sync`: syncs accounts in this process, without Dagster."""

from typing import Annotated, Any

import typer

from hostaway_pipeline.cli.arguments import LARGEST_ID
from hostaway_pipeline.cli.output import complain, say, say_json, say_table
from hostaway_pipeline.cli.progress import watched
from hostaway_pipeline.cli.session import configured_services
from hostaway_pipeline.domain.calendar import CALENDAR
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.domain.vocabulary import Mode
from hostaway_pipeline.errors import AccountError, ConfigurationError
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.request import PullRequest, Report
from hostaway_pipeline.sync.pull.run import pull, pull_many

AccountIds = Annotated[list[int] | None, typer.Argument(metavar="ID…", help="Accounts to sync.", min=1, max=LARGEST_ID)]


def sync(  # noqa: PLR0917 (options, which typer passes by name)
    account_ids: AccountIds = None,
    every: Annotated[bool, typer.Option("--all", help="Sync all active accounts.")] = False,
    mode: Annotated[
        Mode,
        typer.Option(
            help="full: all lists and messages · reconcile: all lists, changed threads · refresh: recent changes"
        ),
    ] = "full",
    entities: Annotated[
        str,
        typer.Option(
            metavar="NAME,…",
            help="What to sync. The calendar is read only if it is named here, whether or not HOSTAWAY_SYNC_CALENDAR "
            "is set: one call per listing.",
        ),
    ] = ",".join(ENTITIES),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, no progress.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write no row.")] = False,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Mark any number of missing rows as deleted.")
    ] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another sync of this account.", min=0)] = 0,
) -> None:
    """Bring the copy of one or more accounts up to date: listings, reservations, conversations, messages, calendar."""
    if bool(account_ids) == every:
        raise AccountError("give either account ids or --all")
    chosen = _chosen(entities)
    with configured_services() as services:
        requests = [
            PullRequest(
                account_id,
                mode=mode,
                entities=chosen,
                allow_mass_delete=allow_mass_delete,
                dry_run=dry_run,
                wait_seconds=wait,
            )
            for account_id in account_ids or [account.account_id for account in services.accounts.active()]
        ]
        if len(requests) == 1 and not every:
            _sync_one(services, requests[0], as_json=as_json)
        else:
            _sync_many(services, requests, as_json=as_json)


def _chosen(names: str) -> tuple[str, ...]:
    """Parse comma-separated names. Raises ConfigurationError if one does not exist."""
    known = (*ENTITIES, CALENDAR)
    chosen = {name.strip() for name in names.split(",")}
    if not chosen <= set(known):
        raise ConfigurationError(f"--entities: choose from {', '.join(known)}")
    return tuple(name for name in known if name in chosen)


def _sync_one(services: Services, request: PullRequest, *, as_json: bool) -> None:
    with watched(silent=as_json) as progress:
        report = pull(services, request, progress)
    if as_json:
        say_json(_as_dict(report))
    elif report.error is None:
        _show(report, dry_run=request.dry_run)
    _complain(report)
    if report.status != "succeeded":
        raise typer.Exit(1)


def _sync_many(services: Services, requests: list[PullRequest], *, as_json: bool) -> None:
    reports = []
    for report in pull_many(services, requests):
        reports.append(report)
        if not as_json:
            say(f"account {report.account_id}: {report.status}, {report.api_calls} calls, {report.seconds:.1f} s")
        _complain(report)
    failed = [report for report in reports if report.status != "succeeded"]
    if as_json:
        say_json({"accounts": [_as_dict(report) for report in reports], "failed": len(failed)})
    if failed:
        raise typer.Exit(1)


def _show(report: Report, *, dry_run: bool = False) -> None:
    columns = ["", "fetched", "inserted", "updated", "unchanged", "deleted"]
    rows = [[entity, *counts.as_dict().values()] for entity, counts in report.entities.items()]
    say_table(f"Account {report.account_id}{': what would change' if dry_run else ''}", columns, rows)
    say(f"{report.api_calls} API calls, {report.http_429} answers 429, {report.seconds:.1f} s")


def _as_dict(report: Report) -> dict[str, Any]:
    fields = report.as_dict()
    if report.problems:
        fields["problems"] = report.problems
    if report.error is not None:
        fields["error"] = str(report.error)
    return fields


def _complain(report: Report) -> None:
    for entity, reason in report.problems.items():
        complain(f"account {report.account_id}, {entity}: {reason}")
    if report.error is not None:
        text, prefix = str(report.error), f"account {report.account_id}"
        complain(text if text.startswith(prefix) else f"{prefix}: {text}")
