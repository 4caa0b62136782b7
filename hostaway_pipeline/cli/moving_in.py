"""`hostaway accounts import`: takes over the accounts of another program."""

from typing import Annotated

import typer

from hostaway_pipeline.cli.output import complain, say
from hostaway_pipeline.cli.session import configured_services
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.store.foreign_accounts import read_accounts
from hostaway_pipeline.sync.moving_in import take_over


def import_accounts(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="URL",
            help="URL of the other program's Postgres. Leave the password to ~/.pgpass or PGPASSWORD: other users of "
            "this machine see arguments.",
        ),
    ],
    table: Annotated[str, typer.Option(help="Its table of accounts; may have a schema in front.")] = "accounts",
    column: Annotated[
        list[str] | None,
        typer.Option(help="Its name for one of our columns, such as secret=hostaway_key, if it has an unusual one."),
    ] = None,
) -> None:
    """Take accounts with their secrets over from another program: check, encrypt and sync them.

    The other table is only read. It still holds the secrets afterwards.
    """
    columns = dict(_pair(text) for text in column or ())
    found = read_accounts(source, table, columns)
    added = left = 0
    with configured_services() as services:
        for taken in take_over(services, found):
            if taken.problem is not None:
                left += 1
                complain(f"{'a row' if taken.account_id is None else f'account {taken.account_id}'}: {taken.problem}")
                continue
            added += 1
            if taken.webhook_problem:
                complain(
                    f"account {taken.account_id}: no webhook yet ({taken.webhook_problem}); a reconcile tries again"
                )
    say(f"{added} accounts added, their first syncs requested; {left} left")
    say(f"{table} still holds the secrets in clear: delete it once all is well, and change them at Hostaway")
    if left and not added:
        raise typer.Exit(1)


def _pair(text: str) -> tuple[str, str]:
    ours, mark, theirs = text.partition("=")
    if not mark or not theirs:
        raise ConfigurationError(f"--column {text!r} is not of the form secret=hostaway_key")
    return ours.strip(), theirs.strip()
