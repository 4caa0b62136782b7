"""`hostaway guests`: shows what is stored of a guest, and erases it for good."""

import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from hostaway_pipeline.cli.output import complain, say, say_json, say_table
from hostaway_pipeline.cli.session import configured_services
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.sync.erasure import GuestRequest, erase_guest, find_guest

app = typer.Typer(help="Find a guest's data and erase it.", no_args_is_help=True)
ReservationId = Annotated[int | None, typer.Option("--reservation", help="A reservation of the guest.", min=1)]
Email = Annotated[
    str | None, typer.Option("--email", help="The guest's e-mail address; `-` reads it from the standard input.")
]
AccountId = Annotated[int | None, typer.Option("--account", help="Only in this account; default: all.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def find(
    reservation: ReservationId = None, email: Email = None, account: AccountId = None, as_json: AsJson = False
) -> None:
    """Show what is stored of a guest: numbers of rows, and the ids of the reservations. Changes nothing."""
    with configured_services() as services:
        found = find_guest(services, _request(reservation, email, account))
    if as_json:
        accounts = {str(one.account_id): one.counts() | {"reservation_ids": list(one.reservations)} for one in found}
        say_json({"accounts": accounts})
        return
    _show("Rows that name the guest", {one.account_id: one.counts() for one in found})
    for one in found:
        if one.reservations:
            say(f"reservations of account {one.account_id}: {', '.join(map(str, one.reservations))}")


@app.command()
def erase(
    reservation: ReservationId = None,
    email: Email = None,
    account: AccountId = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without a question.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a guest for good. Bookings stay as numbers: dates, status, money. Nothing of it can be undone."""
    if not yes and not sys.stdin.isatty():
        raise ConfigurationError("nothing was erased: nobody can be asked here; repeat it with --yes")
    with configured_services() as services:
        request = _request(reservation, email, account)
        if not yes:
            _show("Rows that name the guest", {one.account_id: one.counts() for one in find_guest(services, request)})
            typer.confirm("Erase the guest from them for good?", abort=True, err=True)
        erased = erase_guest(services, request)
    if as_json:
        say_json({"accounts": {str(account_id): counts for account_id, counts in erased.items()}})
        return
    _show("Rows that the guest was erased from", erased)
    if erased:
        complain("the models follow with the next build: `hostaway marts build`, or Dagster's next run")


def _request(reservation: int | None, email: str | None, account: int | None) -> GuestRequest:
    return GuestRequest(reservation, sys.stdin.readline().strip() if email == "-" else email, account)


def _show(title: str, counts: Mapping[int, Mapping[str, int]]) -> None:
    if not counts:
        say("nothing is stored of this guest; with --account, the account would remember never to store the guest")
        return
    names = list(next(iter(counts.values())))
    rows = [[str(account_id), *own.values()] for account_id, own in counts.items()]
    say_table(title, ["account", *(name.replace("_", " ") for name in names)], rows)
