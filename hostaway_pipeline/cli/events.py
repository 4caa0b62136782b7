"""`hostaway events`: what came into the inbox, and what became of it."""

from typing import Annotated

import typer

from hostaway_pipeline.cli.output import say, say_json, say_table
from hostaway_pipeline.cli.session import services
from hostaway_pipeline.errors import ConfigurationError

app = typer.Typer(help="The webhook events that came in.", no_args_is_help=True)
STATUSES = ("pending", "applied", "stale", "ignored", "failed")


@app.command("list")
def list_(
    account: Annotated[int | None, typer.Option(help="Of this account only.")] = None,
    status: Annotated[str | None, typer.Option(help=f"One of {', '.join(STATUSES)}.")] = None,
    before: Annotated[int | None, typer.Option(help="Older than this id: the next page.")] = None,
    limit: Annotated[int, typer.Option(help="So many.", min=1, max=1000)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The newest events, without their payloads."""
    if status is not None and status not in STATUSES:
        raise ConfigurationError(f"--status {status!r} is none of {', '.join(STATUSES)}")
    with services() as opened:
        state = opened.inbox.state()
        events = opened.inbox.newest(account_id=account, status=status, before=before, limit=limit)
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
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID…", help="Ids of events.", min=1)] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed.")] = False,
    account: Annotated[int | None, typer.Option(help="Of this account only.")] = None,
) -> None:
    """Apply events again: the running drainer, or the next one, takes them up."""
    if bool(ids) == failed:
        raise ConfigurationError("name the events to replay, or say --failed")
    with services() as opened:
        number = opened.inbox.replay(ids or (), failed=failed, account_id=account)
    if ids and number < len(set(ids)):
        raise ConfigurationError(
            f"{number} of {len(set(ids))} events are pending again; the others are unknown or ignored"
        )
    say(f"{number} events are pending again")
