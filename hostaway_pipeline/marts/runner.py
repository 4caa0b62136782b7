"""Runs dbt in this process on the configured database, one build at a time, and prints its events."""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from dbt.cli.main import dbtRunner
from dbt_common.events.base_types import EventMsg
from dbt_common.events.functions import msg_to_dict

from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.marts.project import DbtProject, arguments
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import load_settings
from hostaway_pipeline.wiring import open_services

# The commands that write to the models' tables.
_WRITING = frozenset({"build", "run", "seed"})
# dbt's profile asks for these.
_PROFILE = {
    "PGHOST": "HOSTAWAY_DBT_HOST",
    "PGPORT": "HOSTAWAY_DBT_PORT",
    "PGUSER": "HOSTAWAY_DBT_USER",
    "PGPASSWORD": "DBT_ENV_SECRET_HOSTAWAY_PASSWORD",
    "PGDATABASE": "HOSTAWAY_DBT_DATABASE",
    "PGSSLMODE": "HOSTAWAY_DBT_SSLMODE",
}
# Postgres quotes rows, and so guests, after these words.
_QUOTING = ("DETAIL:", "CONTEXT:")
_SILENT = frozenset({"debug", "test"})
_RESULTS = frozenset({"LogModelResult", "LogSeedResult"})


def run_dbt(command: Sequence[str], *, as_json: bool) -> int:
    """Run a dbt command; returns the exit status. `build` leaves out unit tests, which belong to development."""
    settings = load_settings()
    project = DbtProject.of(settings.home)
    project.work.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = [*arguments(project.folder, project.target), "--log-level", "none"]
    if command[:1] == ["build"]:
        options += ["--exclude-resource-type", "unit_test"]
    if command[:1] != ["docs"]:  # a failed run's results quote rows
        options.append("--no-write-json")
    with ExitStack() as stack:
        services = open_services(settings, create=False)
        stack.callback(services.close)
        services.check_migrated()
        if _WRITING.intersection(command[:1]):
            stack.enter_context(services.build_lock())
        os.environ.update(profile_environment(services))
        result = dbtRunner(callbacks=[_printer(as_json=as_json)]).invoke([*command, *options])
    if result.exception is not None:
        raise PipelineError(_without_rows(str(result.exception)) or "dbt was interrupted")
    return 0 if result.success else 1


def profile_environment(services: Services) -> dict[str, str]:
    """The variables that dbt's profile and libpq below it read: the command line may be read by every process."""
    return {_PROFILE.get(name, name): value for name, value in services.database.environment().items()}


def _printer(*, as_json: bool) -> Callable[[EventMsg], None]:
    """Print events as text or as JSON lines. dbt calls this from several threads.

    The result of a model waits for the event that follows it and has the answer of the database.
    """
    waiting: dict[str, dict[str, Any]] = {}
    printing = threading.Lock()

    def show(message: EventMsg) -> None:
        name, is_silent = message.info.name, message.info.level in _SILENT
        if is_silent and name != "NodeFinished" and name not in _RESULTS:
            return  # most events, and reading one costs more than all else here
        event = msg_to_dict(message)
        node = event["data"].get("node_info", {}).get("unique_id", "")
        if name in _RESULTS:
            waiting[node] = event
            return
        if name == "NodeFinished" and node in waiting:
            answer = event["data"]["run_result"].get("adapter_response", {})
            event = waiting.pop(node)
            event["data"]["adapter_response"] = answer
        elif is_silent:
            return
        shown = _cleaned(event)
        with printing:
            print(json.dumps(shown) if as_json else shown["info"]["msg"], flush=True)  # noqa: T201

    return show


def _cleaned(value: Any) -> Any:
    """The same structure; its texts end where Postgres quotes a row."""
    if isinstance(value, str):
        return _without_rows(value)
    if isinstance(value, Mapping):
        return {key: _cleaned(part) for key, part in value.items()}
    return [_cleaned(part) for part in value] if isinstance(value, list) else value


def _without_rows(text: str) -> str:
    return text[: min((at for word in _QUOTING if (at := text.find(word)) >= 0), default=len(text))].rstrip()
