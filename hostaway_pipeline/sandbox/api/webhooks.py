"""The routes of unified webhooks: register, change, remove, and read what was sent. What is sent: deliveries.py."""

from starlette.responses import Response
from starlette.routing import Route

from hostaway_pipeline.sandbox.api.envelope import ApiFailure, page_of, success
from hostaway_pipeline.sandbox.api.gate import Call, Gate
from hostaway_pipeline.sandbox.deliveries.webhooks import Settings, require_public
from hostaway_pipeline.sandbox.templates import Payload
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.world import Sandbox

PAGE_CAP = 100
HOOKS = "/v1/webhooks/unifiedWebhooks"
HOOK = f"{HOOKS}/{{id}}"
LOGS = "/v1/unifiedWebhookLogs"


def routes(sandbox: Sandbox, gate: Gate) -> list[Route]:
    answers = WebhookAnswers(sandbox)
    return [
        Route(path, gate.guarded(path, handler), methods=[method])
        for method, path, handler in (
            ("GET", HOOKS, answers.webhooks),
            ("POST", HOOKS, answers.register),
            ("GET", HOOK, answers.webhook),
            ("PUT", HOOK, answers.change),
            ("DELETE", HOOK, answers.remove),
            ("GET", LOGS, answers.logs),
        )
    ]


class WebhookAnswers:
    """One method per route; NotFound becomes a 404."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def webhooks(self, call: Call, account: Account) -> Response:
        hooks = account.webhooks.all()
        page = self.sandbox.pager(PAGE_CAP).page(call.request.query_params, len(hooks))
        return page_of(page, [hook.shown() for hook in hooks[page.start : page.stop]])

    def webhook(self, call: Call, account: Account) -> Response:
        return success(account.webhooks.one(call.id("id")).shown())

    def register(self, call: Call, account: Account) -> Response:
        """The answer does not wait for the URL to answer its ping."""
        hook = account.webhooks.add(self._settings(call.json))
        self.sandbox.deliveries.ping(hook)
        return success(hook.shown())

    def change(self, call: Call, account: Account) -> Response:
        """Keys that are not given stay as they are; a new URL is tried like a first one."""
        hook = account.webhooks.one(call.id("id"))
        before = hook.settings
        account.webhooks.change(hook.id, self._settings(before.model_dump(by_alias=True) | call.json))
        if hook.settings.url != before.url:
            self.sandbox.deliveries.ping(hook)
        return success(hook.shown())

    def remove(self, call: Call, account: Account) -> Response:
        account.webhooks.remove(call.id("id"))
        return success([])

    def logs(self, call: Call, account: Account) -> Response:
        """Every attempt, newest first: what a receiver missed can be read here."""
        entries = account.webhooks.logged()
        page = self.sandbox.pager(PAGE_CAP).page(call.request.query_params, len(entries))
        return page_of(page, [entry.shown() for entry in entries[page.start : page.stop]])

    def _settings(self, wish: Payload) -> Settings:
        try:
            settings = Settings.parse(wish)
            if self.sandbox.config.require_public_urls:
                require_public(settings.url)
        except ValueError as invalid:
            raise ApiFailure(400, str(invalid)) from invalid
        return settings
