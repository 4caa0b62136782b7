"""`hostaway up`: runs the whole system on this machine. demo.py builds on it."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from hostaway_pipeline.cli.analysts import analysts_served
from hostaway_pipeline.cli.code_servers import start_code_servers
from hostaway_pipeline.cli.output import say
from hostaway_pipeline.cli.session import configure, services_for
from hostaway_pipeline.cli.stack import Stack, require_free, script
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings, as_environment
from hostaway_pipeline.wiring import dagster_database_url

START_SECONDS = 120

Port = Annotated[int, typer.Option(help="Port of Dagster's UI.", min=1, max=65535)]
ReceiverPort = Annotated[int, typer.Option(help="Port of the webhook receiver and our API.", min=1, max=65535)]


def up(port: Port = 3000, receiver_port: ReceiverPort = 8080) -> None:
    """Run everything on this machine: Postgres (unless one is configured), the receiver, Dagster's UI and daemon."""
    require_free(port, "--port")
    require_free(receiver_port, "--receiver-port")
    settings = configure()
    with (
        services_for(settings) as services,
        whole_stack(settings, services, port, receiver_port) as stack,
        analysts_served(settings, services) as analysts,
    ):
        say(f"Dagster's UI: http://127.0.0.1:{port}   receiver and API: http://127.0.0.1:{receiver_port}/docs")
        say(analysts)
        say(f"logs in {stack.logs}; Ctrl-C stops")
        if not services.accounts.active():
            say("no accounts yet: `hostaway accounts add ID --secret-stdin`")
        if settings.public_url is None:
            say("HOSTAWAY_PUBLIC_URL is not set, so no webhook is registered")
        stack.run_forever()


@contextmanager
def whole_stack(settings: Settings, services: Services, port: int, receiver_port: int) -> Iterator[Stack]:
    """Start the receiver and Dagster's code servers, webserver and daemon; yield once all that answer requests do."""
    home = settings.home.absolute()
    folder = _instance_folder(home)
    # The children get all settings here, because they run in a folder without our `.env`.
    environment = as_environment(settings) | {
        "DAGSTER_HOME": str(folder),
        "HOSTAWAY_HOME": str(home),
        "HOSTAWAY_DAGSTER_DATABASE_URL": dagster_database_url(settings, services),
    }
    with TemporaryDirectory(prefix="hostaway-") as sockets, Stack(home / "logs", environment) as stack:
        receiver = [sys.executable, "-m", "webhook_receiver", "--port", str(receiver_port)]
        web = [script("dagster-webserver"), "--host", "127.0.0.1", "--port", str(port), "-w", "workspace.yaml"]
        stack.start("receiver", receiver, folder=folder)
        start_code_servers(stack, folder, Path(sockets), seconds=START_SECONDS)
        stack.start("dagster-webserver", web, folder=folder)
        stack.start("dagster-daemon", [script("dagster-daemon"), "run", "-w", "workspace.yaml"], folder=folder)
        stack.wait_for(f"http://127.0.0.1:{receiver_port}/ready", seconds=START_SECONDS)
        stack.wait_for(f"http://127.0.0.1:{port}/server_info", seconds=START_SECONDS)
        yield stack


def _instance_folder(home: Path) -> Path:
    """Create DAGSTER_HOME and copy the project's dagster.yaml into it."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_shipped("dagster.yaml"), folder / "dagster.yaml")
    return folder


def _shipped(name: str) -> Path:
    """In a wheel the file is inside the package, in a checkout next to it."""
    package = Path(str(files("hostaway_pipeline")))
    inside = package / name
    return inside if inside.exists() else package.parent / name
