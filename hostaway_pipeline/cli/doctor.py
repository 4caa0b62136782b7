"""`hostaway doctor`: checks everything that a sync needs, one line per check."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from hostaway_pipeline.cli.capacity import capacity
from hostaway_pipeline.cli.output import say, say_json
from hostaway_pipeline.cli.session import configure
from hostaway_pipeline.client.transport import Transport
from hostaway_pipeline.domain.durations import duration_text, rounded
from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.backups import backup_age
from hostaway_pipeline.store.history import History
from hostaway_pipeline.wiring import open_services


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`detail` describes what was found, or what to do about a failure."""

    name: str
    is_ok: bool
    detail: str


app = typer.Typer(invoke_without_command=True)
app.command("capacity")(capacity)


@app.callback()
def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check settings, database, schema, keys and the connection to Hostaway; say how to fix each failure."""
    if context.invoked_subcommand is not None:
        return
    results = _run_checks()
    if as_json:
        say_json({"checks": [{"what": r.name, "ok": r.is_ok, "detail": r.detail} for r in results]})
    else:
        for result in results:
            say(f"{'ok  ' if result.is_ok else 'FAIL'}  {result.name:<10} {result.detail}")
    if not all(result.is_ok for result in results):
        raise typer.Exit(1)


def _run_checks() -> list[CheckResult]:
    settings = configure()
    limits = f"{settings.rate_limit_ip} per IP ({settings.egress}), {settings.rate_limit_account} per account"
    results = [CheckResult("settings", True, f"API {settings.api_url}; limits {limits}")]
    services, connection = _connect(settings)
    results.append(connection)
    if services is not None:
        results.append(_check("schema", lambda: _schema(services)))
        if results[-1].is_ok:
            results.append(_check("keys", lambda: _keys(services)))
            results.append(_check("accounts", lambda: f"{len(services.accounts.active())} active"))
            results.append(_check("syncs", lambda: _syncs(services)))
            results.append(_check("trails", lambda: _trails(services)))
            results.append(_check("pace", lambda: _pace(services)))
            results.append(_check("egress", lambda: _egress(services)))
            results.append(_check("backup", lambda: _backup(services)))
            results.append(_check("webhooks", lambda: _webhooks(services)))
    results.append(_check("hostaway", lambda: _reach(settings.api_url)))
    return results


def _backup(services: Services) -> str:
    """Raises nothing: a server of one's own may be backed up by other means."""
    age = backup_age(services.database)
    return f"{rounded(age)} ago" if age is not None else "none by `hostaway db backup` yet"


def _connect(settings: Settings) -> tuple[Services | None, CheckResult]:
    data = settings.home.absolute() / "postgres"
    if settings.database_url is None and not data.exists():  # looking must not make one, with a key of its own
        what = f"none in {data} yet: `hostaway up` makes one, `hostaway db restore` brings one back"
        return None, CheckResult("database", False, what)
    try:
        services = open_services(settings, create=False)
        services.database.check_server()
    except PipelineError as error:
        return None, CheckResult("database", False, str(error))
    return services, CheckResult("database", True, services.database.url())


def _check(name: str, check: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(name, True, check())
    except PipelineError as error:
        return CheckResult(name, False, str(error))


def _schema(services: Services) -> str:
    services.check_migrated()
    return "up to date"


def _keys(services: Services) -> str:
    services.secrets.verify()
    return f"{', '.join(services.keyring.ids)}; {services.keyring.active_id} is active"


def _pace(services: Services) -> str:
    """Describe each scope that has recent requests, or a learned limit below the configured one."""
    scopes = [
        f"{state.scope} {state.used} of {state.allowed}/{state.configured.seconds:g} s"
        + (f" (learned; configured {state.configured})" if state.allowed < state.configured.requests else "")
        + (f", paused until {state.paused_until:%H:%M:%S} UTC" if state.paused_until else "")
        for state in services.slots.states()
        if state.used or state.allowed < state.configured.requests
    ]
    return "; ".join(scopes) or "no recent requests, no lower limit learned"


def _syncs(services: Services) -> str:
    """Describe, by mode, how often accounts are synced at present, and how many wait."""
    backlog = services.cadences.backlog()
    modes = [
        f"{mode} every {duration_text(services.cadences.plan.period(mode))}"
        + (f", at present {rounded(one.mean_interval)}" if one.mean_interval else "")
        + (f", the oldest {rounded(one.oldest)} ago" if one.oldest else "")
        + (f", {one.due + one.requested} due" if one.due or one.requested else "")
        for mode in services.cadences.plan.modes
        if (one := backlog.get(mode)) is not None
    ]
    return "; ".join(modes) or "no account has been planned yet"


def _trails(services: Services) -> str:
    """Describe how far the audit trails of all accounts are read."""
    progress = History(services.database).progress().values()
    read, total = sum(read for read, _ in progress), sum(total for _, total in progress)
    if not services.settings.trails_share:
        return f"{read} read; HOSTAWAY_TRAILS_SHARE is 0, so no more are read"
    under_way = sum(read < total for read, total in progress)
    return f"{read} of {total} read" + (f", {under_way} accounts under way" if under_way else "")


def _egress(services: Services) -> str:
    """Raises PipelineError when another egress name seems to stand for the same IP address."""
    shared = services.checks.shared_addresses()
    if shared:
        raise PipelineError("; ".join(finding.what for finding in shared))
    return f"no 429 shows that {services.settings.egress} shares its IP address with another name"


def _webhooks(services: Services) -> str:
    """Raises PipelineError when events have failed, or when webhooks are wanted and an account receives none."""
    inbox = services.inbox.state()
    waiting = f"{inbox.pending} events pending"
    if inbox.failed:
        raise PipelineError(f"{waiting}, {inbox.failed} failed: see `hostaway events list --status failed`")
    if services.settings.public_url is None:
        return f"{waiting}; HOSTAWAY_PUBLIC_URL is not set, so no webhook is registered"
    names = {account.account_id: account.name for account in services.accounts.active() if account.name}
    silent = [finding.text(names) for finding in services.checks.silent_webhooks()]
    if silent:
        raise PipelineError(f"{waiting}; {'; '.join(silent)}; a reconcile registers and enables webhooks")
    return f"{waiting}; the webhook of every account is enabled"


def _reach(url: str) -> str:
    """Raises NetworkError, or ConfigurationError. It takes the same way as syncs do."""
    transport = Transport(url, connections=1, read_seconds=10)
    try:
        status = transport.status_without_token("/listings")
    finally:
        transport.close()
    return f"{url} answers {status}" + (" without a token, as expected" if status in {401, 403} else "")
