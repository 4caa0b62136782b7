"""`hostaway up` and `hostaway demo`: the whole system on this machine."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from hostaway_pipeline.cli.dagster_api import newest_run_status
from hostaway_pipeline.cli.output import say, say_table
from hostaway_pipeline.cli.session import configured, services_for
from hostaway_pipeline.cli.stack import ProcessEnded, Stack, free_port, require_free, script
from hostaway_pipeline.errors import AccountError
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts import AccountHealth
from hostaway_pipeline.wiring import Services, dagster_database_url

_START_SECONDS = 120
_FIRST_SYNC_SECONDS = 600
DEMO_ACCOUNT = "59808:7:787"

Port = Annotated[int, typer.Option(help="Port of Dagster's UI.", min=1, max=65535)]


def up(port: Port = 3000) -> None:
    """Run everything on this machine: Postgres (unless you have one), Dagster's UI and its daemon."""
    require_free(port, "--port")
    settings = configured()
    with services_for(settings) as opened, _dagster(settings, opened, port) as stack:
        say(f"Dagster's UI: http://127.0.0.1:{port}   (logs in {stack.log('dagster-webserver').parent}; Ctrl-C stops)")
        if not opened.accounts.active():
            say("no accounts yet: `hostaway accounts add ID --secret-stdin`")
        stack.run_forever()


def demo(
    once: Annotated[bool, typer.Option("--once", help="End once the account has arrived.")] = False,
    port: Port = 3000,
) -> None:
    """Watch a filled account arrive: the same as `up`, with a Hostaway look-alike on this machine."""
    require_free(port, "--port")
    sandbox_port = free_port()
    settings = _demo_settings(configured(), sandbox_port)
    with services_for(settings) as opened, _dagster(settings, opened, port, sandbox_port=sandbox_port) as stack:
        account_id = int(DEMO_ACCOUNT.split(":", maxsplit=1)[0])
        began = time.monotonic()
        _ask_for_sync(opened, account_id)
        say(f"Dagster's UI: http://127.0.0.1:{port}/assets   sandbox: {settings.api_url}")
        say(f"account {account_id} is on its way: a sensor adds its partition and starts `sync_account` …")
        health = _arrived(opened, account_id, stack, port)
        _show(health, time.monotonic() - began)
        if not once:
            say(f"`HOSTAWAY_HOME={settings.home} hostaway db psql` opens the database. Ctrl-C stops.")
            stack.run_forever()


@contextmanager
def _dagster(settings: Settings, opened: Services, port: int, sandbox_port: int | None = None) -> Iterator[Stack]:
    home = settings.home.absolute()
    folder = _instance_folder(home)
    environment = {
        "DAGSTER_HOME": str(folder),
        "HOSTAWAY_HOME": str(home),
        "HOSTAWAY_API_URL": settings.api_url,
        "HOSTAWAY_DAGSTER_DATABASE_URL": dagster_database_url(settings, opened),
    }
    with Stack(home / "logs", environment | _inherited(settings)) as stack:
        if sandbox_port is not None:
            command = [sys.executable, "-m", "hostaway_pipeline", "sandbox", "--port", str(sandbox_port)]
            stack.start("sandbox", [*command, "--account", DEMO_ACCOUNT, "--latency", "0.1"], folder=folder)
            stack.wait_for(f"http://127.0.0.1:{sandbox_port}/_sandbox/counters", seconds=_START_SECONDS)
        web = [script("dagster-webserver"), "--host", "127.0.0.1", "--port", str(port), "-w", "workspace.yaml"]
        stack.start("dagster-webserver", web, folder=folder)
        stack.start("dagster-daemon", [script("dagster-daemon"), "run", "-w", "workspace.yaml"], folder=folder)
        stack.wait_for(f"http://127.0.0.1:{port}/server_info", seconds=_START_SECONDS)
        yield stack


def _inherited(settings: Settings) -> dict[str, str]:
    """What the children cannot find out again from their own folder: the `.env` of ours is not there."""
    shown = settings.model_dump(exclude_unset=True, exclude={"home", "api_url", "dagster_database_url"})
    plain = {key: getattr(value, "get_secret_value", lambda v=value: v)() for key, value in shown.items()}
    return {f"HOSTAWAY_{key.upper()}": str(value) for key, value in plain.items() if value is not None}


def _instance_folder(home: Path) -> Path:
    """DAGSTER_HOME, with the project's own instance and workspace files in it."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copyfile(_shipped(name), folder / name)
    return folder


def _shipped(name: str) -> Path:
    """In a wheel the file lies inside the package, in a checkout beside it."""
    package = Path(str(files("hostaway_pipeline")))
    inside = package / name
    return inside if inside.exists() else package.parent / name


def _demo_settings(settings: Settings, sandbox_port: int) -> Settings:
    """A home of its own, so that nothing of the demo meets real data."""
    return Settings(
        _env_file=None,
        home=settings.home / "demo",
        api_url=f"http://127.0.0.1:{sandbox_port}/v1",
        database_url=None,
        dagster_database_url=None,
        encryption_keys=None,
    )


def _ask_for_sync(opened: Services, account_id: int) -> None:
    from hostaway_pipeline.sandbox.config import secret_for  # noqa: PLC0415 (only the demo needs the sandbox)

    secret = secret_for(account_id)
    try:
        opened.accounts.add(account_id, secret, name="Demo account", customer_id=None, is_due=True)
    except AccountError:
        opened.accounts.ask_for_sync(account_id)


def _arrived(opened: Services, account_id: int, stack: Stack, port: int) -> AccountHealth:
    """Wait until the run that the sensor asked for has ended, asset checks included."""
    deadline, shown = time.monotonic() + _FIRST_SYNC_SECONDS, ""
    while time.monotonic() < deadline:
        stack.check()
        health = next(entry for entry in opened.accounts.health() if entry.account.account_id == account_id)
        counts = ", ".join(f"{number:,} {entity}" for entity, number in health.rows.items() if number)
        if counts and counts != shown:
            say(f"  {counts}")
            shown = counts
        status = newest_run_status(f"http://127.0.0.1:{port}") if health.account.next_due_at is None else None
        if status == "SUCCESS":
            return health
        if status in ("FAILURE", "CANCELED"):
            raise ProcessEnded(f"the sync of account {account_id} ended {health.last_status}: {health.last_error}")
        time.sleep(1)
    raise ProcessEnded(f"account {account_id} did not arrive within {_FIRST_SYNC_SECONDS} s; look at Dagster's UI")


def _show(health: AccountHealth, seconds: float) -> None:
    rows = [[f"hostaway.{entity}", number] for entity, number in health.rows.items()]
    say_table(f"Account {health.account.account_id} arrived in {seconds:.0f} s", ["table", "rows"], rows)
