"""`hostaway events`: lists the webhook events in the inbox with their status, and replays them."""

from typing import Annotated, get_args

import typer

from hostaway_pipeline.cli.arguments import LARGEST_ID
from hostaway_pipeline.cli.output import say, say_json, say_table
from hostaway_pipeline.cli.session import configured_services
from hostaway_pipeline.domain.vocabulary import EventStatus
from hostaway_pipeline.errors import ConfigurationError

app = typer.Typer(help="Inspect and replay received webhook events.", no_args_is_help=True)
STATUSES: tuple[str, ...] = get_args(EventStatus)


@app.command("list")
def list_(
    account: Annotated[int | None, typer.Option(help="Only events of this account.", max=LARGEST_ID)] = None,
    status: Annotated[str | None, typer.Option(help=f"Only events with this status: {', '.join(STATUSES)}.")] = None,
    before: Annotated[
        int | None, typer.Option(help="Only events older than this id: the next page.", max=LARGEST_ID)
    ] = None,
    limit: Annotated[int, typer.Option(help="Number of events to show.", min=1, max=1000)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """List the newest events, without their payloads."""
    if status is not None and status not in STATUSES:
        raise ConfigurationError(f"--status {status!r} must be one of {', '.join(STATUSES)}")
    with configured_services() as services:
        state = services.inbox.state()
        events = services.inbox.newest(account_id=account, status=status, before=before, limit=limit)
    if as_json:
        say_json({"pending": state.pending, "failed": state.failed, "events": events})
        return
    say(f"{state.pending} pending, {state.failed} failed")
    columns = ["id", "account", "event", "object", "received", "status", "attempts", "error"]
    rows = [
        [
            str(event["id"]),
            str(event["account_id"]),
            event["event"],
            f"{event['object']} {event['object_id'] or ''}".strip(),
            f"{event['received_at']:%Y-%m-%d %H:%M:%S}",
            event["status"],
            str(event["attempts"]),
            event["error"] or "",
        ]
        for event in events
    ]
    if rows:
        say_table(None, columns, rows)


@app.command()
def replay(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID…", help="Ids of the events to replay.", min=1, max=LARGEST_ID)
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Replay all failed events.")] = False,
    account: Annotated[int | None, typer.Option(help="Only events of this account.", max=LARGEST_ID)] = None,
) -> None:
    """Apply events again. The drainer that is running, or the next one, picks them up."""
    if bool(ids) == failed:
        raise ConfigurationError("give either event ids or --failed")
    with configured_services() as services:
        number = services.inbox.replay(ids or (), failed=failed, account_id=account)
    if ids and number < len(set(ids)):
        raise ConfigurationError(
            f"{number} of {len(set(ids))} events are pending again; the others are unknown or ignored"
        )
    say(f"{number} events are pending again")
