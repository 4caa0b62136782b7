"""`hostaway demo`: the whole system with a sandbox in place of Hostaway, one filled account and steady webhooks."""

import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.request import Request, urlopen

import orjson
import typer

from hostaway_pipeline.cli.analysts import analysts_served
from hostaway_pipeline.cli.dagster_api import newest_run_status
from hostaway_pipeline.cli.output import say, say_table
from hostaway_pipeline.cli.session import configure, services_for
from hostaway_pipeline.cli.stack import ProcessEnded, Stack, free_port, require_free
from hostaway_pipeline.cli.up import START_SECONDS, Port, whole_stack
from hostaway_pipeline.errors import AccountError, ConfigurationError
from hostaway_pipeline.report.place import report_path
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.accounts import AccountOverview
from hostaway_pipeline.sync.onboard import add_account
from hostaway_pipeline.sync.registration import ensure_webhook

ACCOUNT_ID = 59808
_ACCOUNT = f"{ACCOUNT_ID}:7:787"
_FIRST_SYNC_SECONDS = 600
_FIRST_EVENTS_SECONDS = 90
_MARTS_SECONDS = 180
_CHANGES_PER_SECOND = 2.0
_ENOUGH_EVENTS = 10

# Any port will do: only the sandbox of the same demo calls it.
ReceiverPort = Annotated[
    int,
    typer.Option(help="Port of the webhook receiver and our API. 0: any.", min=0, max=65535, show_default=False),
]
Today = Annotated[
    datetime | None,
    typer.Option(
        help="The sandbox's day: it generates what was booked before.",
        formats=["%Y-%m-%d"],
        show_default="the day of the first demo",
    ),
]


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop once the account and some webhooks have arrived.")] = False,
    port: Port = 3000,
    receiver_port: ReceiverPort = 0,
    today: Today = None,
) -> None:
    """Watch an account arrive and change: like `up`, but with a Hostaway sandbox on this machine."""
    require_free(port, "--port")
    if receiver_port:
        require_free(receiver_port, "--receiver-port")
    receiver_port = receiver_port or free_port()
    sandbox_port, key = free_port(), secrets.token_urlsafe(24)
    settings = _demo_settings(configure(), sandbox_port, receiver_port, key)
    day = _day(settings, today.date() if today else None)
    with (
        services_for(settings) as services,
        _sandbox(settings, sandbox_port, day) as sandbox,
        whole_stack(settings, services, port, receiver_port) as stack,
        analysts_served(settings, services) as analysts,
    ):
        began = time.monotonic()
        _request_sync(services)
        say(f"Dagster's UI: http://127.0.0.1:{port}/assets   sandbox: {settings.api_url}")
        say(f"account {ACCOUNT_ID} is due: a sensor adds its partition and starts the job `requested` …")
        overview = _await_sync(services, stack, port)
        _show(overview, time.monotonic() - began)
        _start_traffic(sandbox_port)
        say(f"webhooks: {_CHANGES_PER_SECOND:g} changes per second from now on …")
        say(f"  {_await_events(services, stack)}")
        _await_marts(stack, port)
        _show_kpis(services, (day.replace(day=1) - timedelta(1)).replace(day=1))
        say(f"report: {report_path(settings.home)}")
        if not once:
            say(f"API: http://127.0.0.1:{receiver_port}/docs   key of this demo: {key}")
            say(analysts)
            say(f"`HOSTAWAY_HOME={settings.home} hostaway db psql` opens the database. Ctrl-C stops.")
            while True:
                sandbox.check()
                stack.check()
                time.sleep(1)


def _day(settings: Settings, wanted: date | None) -> date:
    """The sandbox's day. A home keeps its first one: on another day, the same ids would be other bookings.

    Raises ConfigurationError when another one is wanted.
    """
    kept = settings.home / "today"
    if not kept.exists():
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept.write_text((wanted or datetime.now(UTC).date()).isoformat(), encoding="ascii")
    day = date.fromisoformat(kept.read_text(encoding="ascii"))
    if wanted not in (None, day):
        raise ConfigurationError(f"the demo in {settings.home} has the day {day}; remove that folder to change it")
    return day


@contextmanager
def _sandbox(settings: Settings, port: int, day: date) -> Iterator[Stack]:
    with Stack(settings.home.absolute() / "logs", {}) as stack:
        command = [sys.executable, "-m", "hostaway_pipeline", "sandbox", "--port", str(port), "--today", str(day)]
        stack.start("sandbox", [*command, "--account", _ACCOUNT, "--latency", "0.1"], folder=stack.logs)
        stack.wait_for(f"http://127.0.0.1:{port}/_sandbox/counters", seconds=START_SECONDS)
        yield stack


def _demo_settings(settings: Settings, sandbox_port: int, receiver_port: int, key: str) -> Settings:
    """A home of its own keeps the demo apart from real data."""
    return Settings(
        _env_file=None,
        home=settings.home / "demo",
        api_url=f"http://127.0.0.1:{sandbox_port}/v1",
        public_url=f"http://127.0.0.1:{receiver_port}",
        api_keys=key,
        database_url=None,
        dagster_database_url=None,
        encryption_keys=None,
    )


def _request_sync(services: Services) -> None:
    from hostaway_pipeline.sandbox.config import secret_for  # noqa: PLC0415 (only the demo needs the sandbox)

    try:
        secret = secret_for(ACCOUNT_ID)
        add_account(services, ACCOUNT_ID, secret, name="Demo account", customer_id=None, is_due=True)
    except AccountError:  # added by an earlier demo, whose sandbox has lost the registration of its webhook
        with services.client(ACCOUNT_ID) as client:
            ensure_webhook(services, client)
        services.cadences.request(ACCOUNT_ID, "reconcile")


def _await_sync(services: Services, stack: Stack, port: int) -> AccountOverview:
    """Wait until a run has done what was requested."""
    deadline, shown = time.monotonic() + _FIRST_SYNC_SECONDS, ""
    while time.monotonic() < deadline:
        stack.check()
        overview = services.accounts.overview(ACCOUNT_ID)[0]
        counts = ", ".join(f"{number:,} {entity}" for entity, number in overview.rows.items() if number)
        if counts and counts != shown:
            say(f"  {counts}")
            shown = counts
        if not any(state.requested_at for state in services.cadences.of(ACCOUNT_ID)):
            return overview
        if overview.last_status == "failed":
            raise ProcessEnded(f"the sync of account {ACCOUNT_ID} ended {overview.last_status}: {overview.last_error}")
        time.sleep(1)
    raise ProcessEnded(f"account {ACCOUNT_ID} did not arrive within {_FIRST_SYNC_SECONDS} s; see Dagster's UI")


def _show(overview: AccountOverview, seconds: float) -> None:
    rows = [[f"hostaway.{entity}", number] for entity, number in overview.rows.items()]
    say_table(f"Account {overview.account.account_id} arrived in {seconds:.0f} s", ["table", "rows"], rows)


def _await_marts(stack: Stack, port: int) -> None:
    """Wait for the build that follows the first sync."""
    say("marts: dbt builds the tables for analysts …")
    deadline, status = time.monotonic() + _MARTS_SECONDS, None
    while time.monotonic() < deadline:
        stack.check()
        status = newest_run_status(f"http://127.0.0.1:{port}", "build_marts")
        if status == "SUCCESS":
            return
        if status in ("FAILURE", "CANCELED"):
            break
        time.sleep(1)
    raise ProcessEnded(f"the marts were not built ({status or 'no run'}); see the job `build_marts` in Dagster")


def _show_kpis(services: Services, month: date) -> None:
    rows = [
        [
            kpis.property,
            f"{kpis.sold_nights} of {kpis.listed_nights}",
            _percent(kpis.occupancy),
            _money(kpis.adr),
            _money(kpis.revpar),
            kpis.currency or "",
        ]
        for kpis in services.kpis_of_month(ACCOUNT_ID, month)
    ]
    say_table(f"{month:%B %Y} by property", ["property", "nights sold", "occupancy", "ADR", "RevPAR", "currency"], rows)
    say("from marts.kpi_listing_month and kpi_listing_month_money; nights count per unit, while a home is listed")


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.0%}"


def _money(amount: float | None) -> str:
    return "" if amount is None else f"{amount:,.2f}"


def _start_traffic(sandbox_port: int) -> None:
    body = orjson.dumps({"per_second": _CHANGES_PER_SECOND})
    with urlopen(Request(f"http://127.0.0.1:{sandbox_port}/_sandbox/traffic", data=body), timeout=10):
        pass


def _await_events(services: Services, stack: Stack) -> str:
    """Wait until the first events are applied; return a line that describes them."""
    deadline = time.monotonic() + _FIRST_EVENTS_SECONDS
    while time.monotonic() < deadline:
        stack.check()
        newest = services.inbox.newest(status="applied", limit=200)
        if len(newest) >= _ENOUGH_EVENTS:
            kinds = ", ".join(sorted({event["event"] for event in newest}))
            delays = sorted((event["applied_at"] - event["received_at"]).total_seconds() for event in newest)
            return f"{len(newest)} events are in the tables ({kinds}); the fastest took {delays[0]:.1f} s"
        time.sleep(0.5)
    raise ProcessEnded(f"no webhook arrived within {_FIRST_EVENTS_SECONDS} s; see `webhook_events_sensor` in Dagster")
