"""`hostaway accounts`: adds, lists and removes accounts. Secrets come from stdin or a prompt; none is printed."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, cast
from uuid import UUID

import typer

from hostaway_pipeline.cli import moving_in
from hostaway_pipeline.cli.arguments import LARGEST_ID, is_text
from hostaway_pipeline.cli.output import complain, say, say_json, say_table
from hostaway_pipeline.cli.session import configured_services
from hostaway_pipeline.domain.cadences import Schedule, schedule_texts
from hostaway_pipeline.domain.vocabulary import Cadence
from hostaway_pipeline.errors import AccountError, ConfigurationError
from hostaway_pipeline.store.accounts.accounts import AccountOverview
from hostaway_pipeline.store.history import History
from hostaway_pipeline.sync.onboard import add_account, change_secret, remove_account
from hostaway_pipeline.sync.registration import rotate_password

app = typer.Typer(help="Manage the accounts that are synced.", no_args_is_help=True)
app.command("import")(moving_in.import_accounts)

AccountId = Annotated[
    int,
    typer.Argument(
        metavar="ID", help="Hostaway's account id, which is also the OAuth client id.", min=1, max=LARGEST_ID
    ),
]


@app.command()
def add(
    account_id: AccountId,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the client secret from stdin.")] = False,
    name: Annotated[str | None, typer.Option(help="A display name.")] = None,
    customer: Annotated[UUID | None, typer.Option(help="Your own id for this customer. Default: a new one.")] = None,
    no_sync: Annotated[
        bool, typer.Option("--no-sync", help="Do not let Dagster start the first sync automatically.")
    ] = False,
) -> None:
    """Check the credentials with Hostaway, then store them encrypted."""
    secret = _read_secret(secret_stdin)
    with configured_services() as services:
        added = add_account(services, account_id, secret, name=name, customer_id=customer, is_due=not no_sync)
    say(f"account {account_id} added")
    if added.webhook_problem:
        complain(f"no webhook is registered yet ({added.webhook_problem}); the next reconcile tries again")
    if not no_sync:
        say(f"`hostaway up` starts its first sync automatically; `hostaway sync {account_id}` runs it now")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False) -> None:
    """List accounts with their row counts and the result of their last sync."""
    with configured_services() as services:
        overviews, own = services.accounts.overview(), services.cadences.own()
        trails = History(services.database).progress()
    schedules = {account_id: schedule_texts(schedules) for account_id, schedules in own.items()}
    if as_json:
        say_json(
            {
                "accounts": [
                    _as_dict(o, trails) | {"schedule": schedules.get(o.account.account_id, {})} for o in overviews
                ]
            }
        )
    elif not overviews:
        say("no accounts yet; add one with `hostaway accounts add ID --secret-stdin`")
    else:
        entities = list(overviews[0].rows)
        columns = ["account", "name", "state", *entities, "trails", "complete since", "last sync", "own schedule"]
        rows = [[*_line(o, trails), _joined(schedules.get(o.account.account_id, {}))] for o in overviews]
        say_table(None, columns, rows)


@app.command()
def remove(
    account_id: AccountId,
    hard: Annotated[bool, typer.Option("--hard", help="Also delete all its rows.")] = False,
) -> None:
    """Stop syncing an account and forget its secrets."""
    with configured_services() as services:
        problem = remove_account(services, account_id, hard=hard)
    say(f"account {account_id} {'and all its rows deleted' if hard else 'removed; --hard also deletes its rows'}")
    if problem:
        complain(f"its webhook is still registered at Hostaway ({problem}); delete it there")


@app.command("set-secret")
def set_secret(
    account_id: AccountId,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the client secret from stdin.")] = False,
) -> None:
    """Check a new client secret with Hostaway, then replace the stored one."""
    secret = _read_secret(secret_stdin)
    with configured_services() as services:
        change_secret(services, account_id, secret)
    say(f"account {account_id} has its new secret")


@app.command()
def schedule(
    account_id: AccountId,
    refresh: Annotated[str | None, typer.Option(metavar="EVERY", help="Such as 30m. `default`: as for all.")] = None,
    reconcile: Annotated[str | None, typer.Option(metavar="TIME", help="Such as 03:00. `default`: as for all.")] = None,
    listings: Annotated[str | None, typer.Option(metavar="EVERY", help="Such as 4h. `default`: as for all.")] = None,
    calendar: Annotated[str | None, typer.Option(metavar="EVERY", help="Such as 1d. `default`: as for all.")] = None,
) -> None:
    """Give an account periods of its own, and a time of day for its reconcile; without options, show when it is due."""
    given = {"refresh": refresh, "reconcile": reconcile, "listings": listings, "calendar": calendar}
    own: dict[Cadence, Schedule] = {}
    for mode, text in given.items():
        if text is not None:
            own[cast(Cadence, mode)] = _parse_schedule(mode, text)
    with configured_services() as services:
        services.accounts.get(account_id)
        services.cadences.schedule(account_id, own)
        states = services.cadences.of(account_id)
    rows = [[state.mode, str(state.own), _minute(state.next_due_at), _minute(state.succeeded_at)] for state in states]
    zone = services.settings.time_zone
    say_table(f"Account {account_id}; times of day in {zone}", ["mode", "schedule", "next due", "copy as of"], rows)


@app.command("rotate-webhook")
def rotate_webhook(account_id: AccountId) -> None:
    """Give Hostaway a new webhook password. The current one stays valid for another day."""
    with configured_services() as services:
        services.accounts.get(account_id)
        if services.settings.public_url is None:
            raise AccountError("HOSTAWAY_PUBLIC_URL is not set: no webhook is registered")
        with services.client(account_id) as client:
            rotate_password(services, client)
    say(f"account {account_id} has a new webhook password")


def _read_secret(from_stdin: bool) -> str:
    if from_stdin:
        secret = sys.stdin.readline().strip()
    elif sys.stdin.isatty():
        secret = typer.prompt("Client secret", hide_input=True)
    else:
        raise AccountError("no client secret: pass it on stdin with --secret-stdin")
    if not secret:
        raise AccountError("the client secret is empty")
    if not is_text(secret):
        raise AccountError("the client secret is not valid UTF-8")
    return secret


def _parse_schedule(mode: str, text: str) -> Schedule:
    try:
        return Schedule.parse(cast(Cadence, mode), text)
    except ValueError as error:
        raise ConfigurationError(f"--{mode}: {error}") from None


def _joined(schedules: dict[str, str]) -> str:
    return ", ".join(f"{mode} {text}" for mode, text in schedules.items())


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _line(overview: AccountOverview, trails: Mapping[int, tuple[int, int]]) -> list[object]:
    account = overview.account
    since = _minute(account.last_sync_at) or "never"
    state = account.state(datetime.now(UTC))
    last = overview.last_status or "none"
    read = "{} of {}".format(*trails[account.account_id]) if account.account_id in trails else ""
    return [str(account.account_id), account.name or "", state, *overview.rows.values(), read, since, last]


def _as_dict(overview: AccountOverview, trails: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
    account = overview.account
    read, total = trails.get(account.account_id, (0, 0))
    return {
        "account_id": account.account_id,
        "customer_id": account.customer_id,
        "name": account.name,
        "is_active": account.is_active,
        "paused_until": account.paused_until,
        "last_sync_at": account.last_sync_at,
        "rows": overview.rows,
        "trails": {"read": read, "total": total},
        "last_status": overview.last_status,
        "last_error": overview.last_error,
    }
