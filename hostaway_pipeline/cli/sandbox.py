"""`hostaway sandbox`: serves an imitation of Hostaway's API on this machine."""

from datetime import datetime
from typing import Annotated

import typer

from hostaway_pipeline.cli.output import say
from hostaway_pipeline.cli.stack import require_free
from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.errors import ConfigurationError

# Accounts that the start names.
_SHOWN = 10
_USUAL_DAY = datetime.fromisoformat("2026-09-01")

AccountSpecs = Annotated[
    list[str] | None,
    typer.Option(
        help="An account, as ID:LISTINGS:RESERVATIONS, or many, as FIRST-LAST:LISTINGS:RESERVATIONS. Repeatable.",
        show_default="59808:7:787",
    ),
]
Today = Annotated[
    datetime,
    typer.Option(
        help="Day of the generated data: what was booked before.", formats=["%Y-%m-%d"], show_default="2026-09-01"
    ),
]
TimeScale = Annotated[
    float, typer.Option(help="Speed of webhook retries: at 1200, an hour of retries takes 3 s.", min=0.001)
]


def sandbox(  # noqa: PLR0917 (options, which typer passes by name)
    account: AccountSpecs = None,
    port: Annotated[int, typer.Option(help="Port on the loopback interface.", min=1, max=65535)] = 8470,
    seed: Annotated[int, typer.Option(help="Seed of the generated data: the same seed gives the same data.")] = 1,
    today: Today = _USUAL_DAY,
    latency: Annotated[float, typer.Option(help="Delay of every answer in seconds.", min=0)] = 0.0,
    limit_ip: Annotated[str, typer.Option(help="Limit per IP as requests/seconds, or `none`.")] = "200/10",
    limit_account: Annotated[str, typer.Option(help="Limit per account as requests/seconds, or `none`.")] = "200/10",
    token_delay: Annotated[float, typer.Option(help="Seconds for which a new token is refused.", min=0)] = 1.0,
    traffic: Annotated[float, typer.Option(help="Simulated changes by guests and hosts, per second.", min=0)] = 0.0,
    ignore_orders: Annotated[
        bool, typer.Option("--ignore-orders", help="List reservations by newest change, whatever order is requested.")
    ] = False,
    webhook_time_scale: TimeScale = 1.0,
) -> None:
    """Serve an imitation of Hostaway's API with generated data. It enforces Hostaway's rate limits and token rules."""
    from hostaway_pipeline.sandbox.config import SandboxConfig, parse_accounts  # noqa: PLC0415 (FastAPI is slow to load)
    from hostaway_pipeline.sandbox.server import serve  # noqa: PLC0415

    require_free(port, "--port")
    try:
        accounts = [one for spec in account or ["59808:7:787"] for one in parse_accounts(spec)]
        ip, per_account = (_limit(text) for text in (limit_ip, limit_account))
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    config = SandboxConfig(
        accounts=accounts,
        seed=seed,
        today=today.date().isoformat(),
        latency=latency,
        ip_limit=ip.requests if ip else None,
        account_limit=per_account.requests if per_account else None,
        window=_window(ip, per_account),
        token_delay=token_delay,
        traffic=traffic,
        ignore_orders=ignore_orders,
        webhook_time_scale=webhook_time_scale,
    )
    for spec in accounts[:_SHOWN]:
        say(f"account {spec.account_id}: {spec.listings} listings, {spec.reservations} reservations")
    if len(accounts) > _SHOWN:
        say(f"… and {len(accounts) - _SHOWN} more accounts")
    say("client secret of each account: sandbox-secret-<its id>")
    say(f"serving http://127.0.0.1:{port}/v1   (set HOSTAWAY_API_URL to this; Ctrl-C stops)")
    serve(config, "127.0.0.1", port)


def _limit(text: str) -> RateLimit | None:
    return None if text == "none" else RateLimit.parse(text)


def _window(*limits: RateLimit | None) -> float:
    """The seconds over which all these limits count. Raises ConfigurationError if they differ."""
    windows = {limit.seconds for limit in limits if limit is not None}
    if len(windows) > 1:
        raise ConfigurationError("--limit-ip and --limit-account must have the same window, such as 15/10 and 20/10")
    return windows.pop() if windows else 10.0
