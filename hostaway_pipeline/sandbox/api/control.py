"""The `/_sandbox` routes, which inspect and change the sandbox. They need no token, and are not limited or counted."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hostaway_pipeline.sandbox.api.envelope import json_response
from hostaway_pipeline.sandbox.lookup import NotFound, find
from hostaway_pipeline.sandbox.rules.counters import WINDOW
from hostaway_pipeline.sandbox.templates import Payload
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.world import Sandbox

Control = Callable[[Request, Any], Any]
Change = Callable[[Account, int, dict[str, Any]], Any]

CHANGES: dict[tuple[str, str], Change] = {
    ("reservations", "touch"): lambda account, key, body: account.touch_reservation(key),
    ("reservations", "update"): lambda account, key, body: account.update_reservation(key, **body),
    ("reservations", "delete"): lambda account, key, body: account.delete_reservation(key),
    ("reservations", "restore"): lambda account, key, body: account.restore_reservation(key),
    ("listings", "update"): lambda account, key, body: account.update_listing(key, **body),
    ("listings", "delete"): lambda account, key, body: account.delete_listing(key),
    ("listings", "restore"): lambda account, key, body: account.restore_listing(key),
    ("conversations", "delete"): lambda account, key, body: account.delete_conversation(key),
    ("conversations", "message"): lambda account, key, body: account.add_message(key, **body),
}
"""The changes that POST /_sandbox/accounts/{id}/{entity}/{object_id}/{change} can make; the body is the arguments."""


class CustomEvent(BaseModel):
    """The body of POST /_sandbox/accounts/{id}/events."""

    model_config = ConfigDict(extra="forbid")

    event: str
    object: str
    data: dict[str, Any]


def routes(sandbox: Sandbox) -> list[Route]:
    controls = Controls(sandbox)
    account = "/_sandbox/accounts/{id:int}"
    return [
        control("/_sandbox/counters", controls.counters),
        control("/_sandbox/reset", controls.reset, "POST"),
        control("/_sandbox/arrivals", controls.arrivals),
        control("/_sandbox/faults", controls.faults),
        control("/_sandbox/faults", controls.set_faults, "POST"),
        control("/_sandbox/limits", controls.limits),
        control("/_sandbox/limits", controls.set_limits, "POST"),
        control("/_sandbox/deliveries", controls.deliveries),
        control("/_sandbox/traffic", controls.traffic),
        control("/_sandbox/traffic", controls.set_traffic, "POST"),
        control("/_sandbox/accounts", controls.accounts),
        control(f"{account}/events", controls.emit, "POST"),
        control(f"{account}/reservations", controls.add_reservation, "POST"),
        control(f"{account}/past", controls.past),
        control(f"{account}/{{entity}}", controls.truth),
        control(f"{account}/{{entity}}/{{object_id:int}}/{{change}}", controls.change, "POST"),
    ]


def control(path: str, answer: Control, method: str = "GET") -> Route:
    """A route that answers 404 for an unknown object and 400 for invalid arguments."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            return json_response(answer(request, orjson.loads(body) if body else {}))
        except NotFound as missing:
            return json_response({"error": str(missing)}, 404)
        except (ValueError, TypeError) as invalid:
            return json_response({"error": str(invalid)}, 400)

    chosen: Callable[[Request], Awaitable[Response]] = endpoint
    return Route(path, chosen, methods=[method])


class Controls:
    """One method per control route; each returns what is answered as JSON."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def counters(self, request: Request, body: Any) -> Any:
        """`?seconds=2` sets the window of `peak`."""
        return self.sandbox.counters.snapshot(float(request.query_params.get("seconds", WINDOW)))

    def arrivals(self, request: Request, body: Any) -> Any:
        """Every finished request as [monotonic seconds, account, path template, status]."""
        arrivals = self.sandbox.counters.arrivals()
        return [[arrival.at, arrival.account_id, arrival.path, arrival.status] for arrival in arrivals]

    def reset(self, request: Request, body: Any) -> Any:
        """Set all counters to zero, those of deliveries too, and empty the rate limits' windows."""
        self.sandbox.counters.reset()
        self.sandbox.deliveries.reset()
        self.sandbox.limits.clear()
        return {}

    def faults(self, request: Request, body: Any) -> Any:
        return self.sandbox.faults.switches()

    def set_faults(self, request: Request, body: dict[str, Any]) -> Any:
        self.sandbox.faults.update(**body)
        return self.sandbox.faults.switches()

    def limits(self, request: Request, body: Any) -> Any:
        return self.sandbox.limits.settings()

    def set_limits(self, request: Request, body: dict[str, Any]) -> Any:
        """Change the limits while the sandbox runs: Hostaway lowers its own without notice."""
        self.sandbox.limits.update(**body)
        return self.sandbox.limits.settings()

    def deliveries(self, request: Request, body: Any) -> Any:
        """How the deliveries ended; all have arrived or failed once `pending` is 0."""
        return self.sandbox.deliveries.counts()

    def traffic(self, request: Request, body: Any) -> Any:
        return {"per_second": self.sandbox.traffic.per_second, "changes": self.sandbox.traffic.changes}

    def set_traffic(self, request: Request, body: dict[str, Any]) -> Any:
        self.sandbox.traffic.per_second = body.get("per_second", self.sandbox.traffic.per_second)
        return self.traffic(request, body)

    def accounts(self, request: Request, body: Any) -> Any:
        """The size of each account, and how many drift changes it has had."""
        changes_of = self.sandbox.drift.changes_of
        return [
            sizes(account) | {"drift_changes": changes_of(account.id)}
            for account in self.sandbox.world.accounts.values()
        ]

    def truth(self, request: Request, body: Any) -> Any:
        """All objects of an entity; `?fields=id,updatedOn` selects keys to keep a large answer small."""
        account = self.sandbox.world.account(request.path_params["id"])
        with account.lock:
            return selected(request, account.truth(request.path_params["entity"]))

    def past(self, request: Request, body: Any) -> Any:
        """Reservations as they were at the end of the second `?at=2026-01-31 23:59:59`, whatever their trails show."""
        account = self.sandbox.world.account(request.path_params["id"])
        with account.lock:
            moment = request.query_params.get("at", "")
            return selected(request, account.trails.states_at(moment, account.reservations.values()))

    def add_reservation(self, request: Request, body: dict[str, Any]) -> Any:
        return self.sandbox.world.account(request.path_params["id"]).add_reservation(**body)

    def emit(self, request: Request, body: dict[str, Any]) -> Any:
        """Deliver an event of any kind, whether or not an object of the account changed."""
        event = CustomEvent.model_validate(body)
        return self.sandbox.world.account(request.path_params["id"]).emit(event.event, event.object, event.data)

    def change(self, request: Request, body: dict[str, Any]) -> Any:
        where = request.path_params
        account = self.sandbox.world.account(where["id"])
        change = find(CHANGES, (where["entity"], where["change"]))
        return change(account, where["object_id"], body) or {}


def selected(request: Request, objects: Iterable[Payload]) -> list[Payload]:
    """The objects with the keys in `?fields=`, or with all of them."""
    fields = [name for name in request.query_params.get("fields", "").split(",") if name]
    return [{name: payload.get(name) for name in fields} for payload in objects] if fields else list(objects)


def sizes(account: Account) -> dict[str, Any]:
    """How many objects of each entity an account holds."""
    with account.lock:
        return {
            "id": account.id,
            "listings": len(account.listings),
            "reservations": len(account.reservations),
            "conversations": len(account.conversations),
            "messages": sum(len(thread.visible()) for thread in account.conversations.values()),
        }
