"""The routes of unified webhooks: register, change, remove, read the delivery log. Sending: deliveries/dispatch.py."""

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
    """One handler per route; NotFound becomes a 404."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def webhooks(self, call: Call, account: Account) -> Response:
        hooks = account.webhooks.all()
        page = self.sandbox.pager(PAGE_CAP).page(call.request.query_params, len(hooks))
        return page_of(page, [hook.payload() for hook in hooks[page.start : page.stop]])

    def webhook(self, call: Call, account: Account) -> Response:
        return success(account.webhooks.get(call.id("id")).payload())

    def register(self, call: Call, account: Account) -> Response:
        """Register a webhook and ping its URL; the answer does not wait for the ping."""
        hook = account.webhooks.add(self._settings(call.json))
        self.sandbox.deliveries.ping(hook)
        return success(hook.payload())

    def change(self, call: Call, account: Account) -> Response:
        """Change the keys that are given; ping a new URL as at registration."""
        hook = account.webhooks.get(call.id("id"))
        before = hook.settings
        account.webhooks.change(hook.id, self._settings(before.model_dump(by_alias=True) | call.json))
        if hook.settings.url != before.url:
            self.sandbox.deliveries.ping(hook)
        return success(hook.payload())

    def remove(self, call: Call, account: Account) -> Response:
        account.webhooks.remove(call.id("id"))
        return success([])

    def logs(self, call: Call, account: Account) -> Response:
        """Every delivery attempt, newest first, so that a receiver can see what it missed."""
        entries = account.webhooks.logged()
        page = self.sandbox.pager(PAGE_CAP).page(call.request.query_params, len(entries))
        return page_of(page, [entry.payload() for entry in entries[page.start : page.stop]])

    def _settings(self, body: Payload) -> Settings:
        try:
            settings = Settings.parse(body)
            if self.sandbox.config.require_public_urls:
                require_public(settings.url)
        except ValueError as invalid:
            raise ApiFailure(400, str(invalid)) from invalid
        return settings
