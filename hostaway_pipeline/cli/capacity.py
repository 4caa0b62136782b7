"""`hostaway doctor capacity`: how often so many accounts can be synced. Neither Hostaway nor a database is asked."""

from typing import Annotated

import typer

from hostaway_pipeline.cli.output import say, say_json
from hostaway_pipeline.cli.session import configure
from hostaway_pipeline.domain.capacity import ACCOUNTS, Capacity, Deployment
from hostaway_pipeline.domain.durations import rounded
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.settings import Settings


def capacity(
    accounts: Annotated[int, typer.Option(help="Number of accounts.", min=1)],
    egress: Annotated[int, typer.Option(help="Number of outgoing IP addresses.", min=1)] = 1,
    limit: Annotated[
        str | None, typer.Option(help="Limit per IP as requests/seconds. Default: HOSTAWAY_RATE_LIMIT_IP.")
    ] = None,
    size: Annotated[
        str, typer.Option(help=f"Listings and reservations of an account: {' or '.join(ACCOUNTS)}.")
    ] = "7:787",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say what the rate limit allows for a number of accounts, which limit binds, and what would help.

    The other settings are those of the environment: HOSTAWAY_REFRESH_EVERY, HOSTAWAY_REFRESH_SHARE,
    HOSTAWAY_REREAD_SHARE, HOSTAWAY_LISTINGS_EVERY and HOSTAWAY_RECONCILE_WINDOW.
    """
    if size not in ACCOUNTS:
        raise ConfigurationError(f"--size {size!r} is not one of {', '.join(ACCOUNTS)}")
    found = Capacity(_deployment(configure(), accounts, egress, limit), ACCOUNTS[size])
    if as_json:
        say_json(found.as_dict())
        return
    given = found.deployment
    every = "none are possible" if found.refresh_every is None else f"every {rounded(found.refresh_every)}"
    say(f"{accounts:,} accounts of {size}, {given.limit} per IP, IP addresses: {egress}")
    say(f"reconciles of a night  {rounded(found.nightly)} (window {rounded(given.window)})")
    say(f"refreshes              {every} (HOSTAWAY_REFRESH_EVERY {rounded(given.refresh_every)})")
    say(f"asked of the limit     {found.demand:.0%}, of which {given.refresh_share:.0%} may go to refreshes")
    say(f"first syncs            {rounded(found.first_syncs)}")
    say(f"CPU                    {found.cores:.2f} cores on average, without Dagster's own")
    say(f"what binds             {found.binding or 'nothing'}")
    for way in found.ways_out():
        say(f"a way out              {way}")


def _deployment(settings: Settings, accounts: int, egresses: int, limit: str | None) -> Deployment:
    try:
        parsed = settings.rate_limit_ip if limit is None else RateLimit.parse(limit)
    except ValueError as error:
        raise ConfigurationError(f"--limit: {error}") from None
    return Deployment(
        accounts,
        egresses,
        parsed,
        refresh_every=settings.refresh_every,
        listings_every=settings.listings_every,
        window=settings.reconcile_window.length,
        refresh_share=settings.refresh_share,
        reread_share=settings.reread_share,
    )
