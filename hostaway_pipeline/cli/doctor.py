"""`hostaway doctor`: everything that must be right before a sync can work, each on a line of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import typer

from hostaway_pipeline.cli.output import say, say_json
from hostaway_pipeline.cli.session import configured
from hostaway_pipeline.errors import PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.wiring import open_services


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    is_right: bool
    detail: str


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False) -> None:
    """Check settings, database, schema, keys and the way to Hostaway; say what to do about each that fails."""
    findings = _examine()
    if as_json:
        say_json({"checks": [{"what": f.what, "ok": f.is_right, "detail": f.detail} for f in findings]})
    else:
        for finding in findings:
            say(f"{'ok  ' if finding.is_right else 'FAIL'}  {finding.what:<10} {finding.detail}")
    if not all(finding.is_right for finding in findings):
        raise typer.Exit(1)


def _examine() -> list[Finding]:
    settings = configured()
    limits = f"{settings.rate_limit_ip} per IP ({settings.egress}), {settings.rate_limit_account} per account"
    findings = [Finding("settings", True, f"API {settings.api_url}; limits {limits}")]
    services: list[Services] = []

    def database() -> str:
        services.append(open_services(settings))
        services[0].database.check_server()
        return services[0].database.url()

    findings.append(_tried("database", database))
    if findings[-1].is_right:
        opened = services[0]
        findings.append(_tried("schema", lambda: _schema(opened)))
        if findings[-1].is_right:
            findings.append(_tried("keys", lambda: _keys(opened)))
            findings.append(_tried("accounts", lambda: f"{len(opened.accounts.active())} active"))
            findings.append(_tried("pace", lambda: _pace(opened)))
            findings.append(_tried("webhooks", lambda: _webhooks(opened)))
    findings.append(_tried("hostaway", lambda: _reach(settings.api_url)))
    return findings


def _tried(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, check())
    except PipelineError as error:
        return Finding(what, False, str(error))


def _schema(services: Services) -> str:
    if services.settings.database_url is None:
        services.migrate()
    services.check_migrated()
    return "up to date"


def _keys(services: Services) -> str:
    services.secrets.check()
    return f"{', '.join(services.keyring.ids)}; {services.keyring.active_id} is active"


def _pace(services: Services) -> str:
    """The learned pace and the budget in use; only scopes that were used lately or are slower than configured."""
    told = [
        f"{state.scope} {state.used} of {state.allowed}/{state.configured.seconds:g} s"
        + (f" (learned; configured {state.configured})" if state.allowed < state.configured.requests else "")
        + (f", paused until {state.paused_until:%H:%M:%S} UTC" if state.paused_until else "")
        for state in services.slots.states()
        if state.used or state.allowed < state.configured.requests
    ]
    return "; ".join(told) or "no request lately, no lower limit learned"


def _webhooks(services: Services) -> str:
    """Fails where webhooks are wanted and an account's do not come, or where events were set aside."""
    inbox = services.inbox.state()
    waiting = f"{inbox.pending} events pending"
    if inbox.failed:
        raise PipelineError(f"{waiting}, {inbox.failed} failed: see `hostaway events list --status failed`")
    if services.settings.public_url is None:
        return f"{waiting}; HOSTAWAY_PUBLIC_URL is not set: none is registered"
    wrong = [f"account {finding.account_id}: {finding.what}" for finding in services.checks.silent_webhooks()]
    if wrong:
        raise PipelineError(f"{waiting}; {'; '.join(wrong)}; a reconcile registers and enables")
    return f"{waiting}; every account's is enabled"


def _reach(url: str) -> str:
    """Any answer will do, a refusal included: without a token there is nothing else to get."""
    try:
        with urlopen(Request(url + "/listings"), timeout=10) as response:  # noqa: S310 (the scheme is checked in settings)
            return f"{url} answers {response.status}"
    except HTTPError as error:
        return f"{url} answers {error.code} without a token, as it should"
    except (URLError, OSError) as error:
        raise PipelineError(f"{url} cannot be reached ({error}); check the network and HOSTAWAY_API_URL") from None
