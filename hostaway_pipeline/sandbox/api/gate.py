"""Wraps the handlers of all /v1 routes: counts each request, then applies faults, rate limits and the token check."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hostaway_pipeline.sandbox.api import envelope
from hostaway_pipeline.sandbox.api.envelope import ApiFailure
from hostaway_pipeline.sandbox.lookup import NotFound
from hostaway_pipeline.sandbox.rules.counters import Arrival
from hostaway_pipeline.sandbox.rules.limits import Refusal
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.world import Sandbox

LONGEST_HANG = 60.0
LISTS = {
    "/v1/listings",
    "/v1/reservations",
    "/v1/conversations",
    "/v1/conversations/{id}/messages",
    "/v1/reservations/{id}/conversations",
}

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Call:
    """One request as the handlers see it."""

    request: Request
    body: bytes
    path: str
    account_id: int | None = None

    @property
    def bearer(self) -> str:
        return self.request.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode("utf-8", "replace")).items()}

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object, empty when it is some other JSON. Raises ApiFailure when it is not JSON."""
        try:
            parsed = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise ApiFailure(400, "The body is not JSON") from error
        return parsed if isinstance(parsed, dict) else {}

    def id(self, name: str) -> int:
        """An id from the path; 0, which no object has, when it is not a number."""
        text = self.request.path_params[name]
        return int(text) if text.isdecimal() else 0


Handler = Callable[[Call, Account], Response]
OpenHandler = Callable[[Call], Response]


class Gate:
    """Wraps handlers into endpoints with Hostaway's access checks, limits and faults."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def guarded(self, path: str, handler: Handler, *, is_send: bool = False) -> Endpoint:
        """An endpoint that needs a token."""

        def answer(call: Call) -> Response:
            if call.account_id is None or not self.sandbox.tokens.is_usable(call.bearer):
                return envelope.denied()
            if self.sandbox.faults.revokes_now(call.account_id):
                self.sandbox.tokens.revoke_all(call.account_id)
                return envelope.denied()
            account = self.sandbox.world.accounts[call.account_id]
            with account.lock:
                response = handler(call, account)
                self._apply_drift(call, account)
                return response

        return self._endpoint(path, answer, self._owner_of_token, is_send=is_send)

    def open(self, path: str, handler: OpenHandler) -> Endpoint:
        """An endpoint without a token: it counts for the IP, and for the account that `client_id` names."""
        return self._endpoint(path, handler, self._named_client, is_send=False)

    def _endpoint(
        self, path: str, handler: OpenHandler, whose: Callable[[Call], int | None], *, is_send: bool
    ) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            arrived_at = time.monotonic()
            ip = request.client.host if request.client else "unknown"
            name = path if request.method == "GET" else f"{request.method} {path}"
            call, status, faults = Call(request, b"", path), 500, self.sandbox.faults
            self.sandbox.counters.start_request()
            try:
                call.body = b"" if request.method == "GET" else await request.body()
                call.account_id = whose(call)
                refused = self._refused(call, ip, arrived_at, is_send)
                if refused is None and is_send:
                    await self._delay_send(arrived_at)
                response = refused or self._answer(call, handler, is_send)
                status = response.status_code
                await self._wait_out_latency(arrived_at)
                if refused is None and faults.holds():
                    await self._wait_while(lambda: faults.hold_after == 0, request)
                if refused is None and self._is_never_answered(call, status, is_send):
                    status = 499
                    await self._hang(request, call.account_id)
                    return envelope.cut_off(response)
                if refused is None and faults.dribble != "none":
                    return envelope.Dribbling(response, from_headers=faults.dribble == "headers")
            except ClientDisconnect:
                status = 499
                return Response(status_code=status)
            else:
                return response
            finally:
                self.sandbox.counters.finish_request(Arrival(arrived_at, ip, call.account_id, name, status))

        return endpoint

    def _answer(self, call: Call, handler: OpenHandler, is_send: bool) -> Response:
        faults = self.sandbox.faults
        if faults.body == "html":
            return Response(envelope.GATEWAY_PAGE, media_type="text/html")
        try:
            response = handler(call)
        except ApiFailure as failed:
            return envelope.failure(failed, call.path)
        except NotFound:
            return envelope.failure(ApiFailure(404, "The requested resource was not found"), call.path)
        if call.request.method == "GET" and (oddity := faults.oddity(call.request.url.path, call.path)):
            response = envelope.odd(response, oddity)
        if is_send and faults.send_unclear == "500":
            return envelope.gateway_error(500)
        if faults.is_cut() or (is_send and faults.send_unclear == "cut"):
            return envelope.cut_off(response)
        return envelope.cut_in_half(response) if faults.is_garbled() else response

    def _refused(self, call: Call, ip: str, arrived_at: float, is_send: bool) -> Response | None:
        """The refusal by a fault or a rate limit, before any handler runs; None lets the request through."""
        faults, limits = self.sandbox.faults, self.sandbox.limits
        if status := faults.error_status(call.account_id):
            return envelope.gateway_error(status)
        if seconds := faults.storm_left(arrived_at):
            storm = Refusal(limits.ip.limit or 0, seconds, time.time() + seconds)
            return envelope.too_many_requests(storm, limits.retry_after_style)
        if refusal := limits.admit(arrived_at, ip, call.account_id, is_send=is_send):
            return envelope.too_many_requests(refusal, limits.retry_after_style)
        return envelope.gateway_error(500) if is_send and faults.send_unclear == "lost" else None

    def _apply_drift(self, call: Call, account: Account) -> None:
        faults = self.sandbox.faults
        is_list = call.request.method == "GET" and call.path in LISTS
        if is_list and faults.is_drifting() and self.sandbox.drift.count_list(account, every=faults.drift_every):
            faults.count_drift()

    def _is_never_answered(self, call: Call, status: int, is_send: bool) -> bool:
        faults = self.sandbox.faults
        return faults.hangs(call.account_id) or (is_send and status == 200 and faults.send_unclear == "hang")

    async def _wait_out_latency(self, arrived_at: float) -> None:
        """Lowering the latency meanwhile ends the wait sooner."""
        while (left := arrived_at + self.sandbox.config.latency - time.monotonic()) > 0 and not self.sandbox.is_closing:
            await asyncio.sleep(min(left, 0.05))

    async def _delay_send(self, arrived_at: float) -> None:
        """Wait even if the client disconnects; lowering the delay meanwhile ends it sooner."""
        while time.monotonic() < arrived_at + self.sandbox.faults.send_delay and not self.sandbox.is_closing:
            await asyncio.sleep(0.05)

    async def _hang(self, request: Request, account_id: int | None) -> None:
        """Wait until the client disconnects, the account hangs no more, or LONGEST_HANG has passed."""
        faults, deadline = self.sandbox.faults, time.monotonic() + LONGEST_HANG
        is_account = account_id in faults.hanging_accounts
        await self._wait_while(
            lambda: time.monotonic() < deadline and not (is_account and account_id not in faults.hanging_accounts),
            request,
        )

    async def _wait_while(self, condition: Callable[[], bool], request: Request) -> None:
        """Wait at most until the client disconnects or the sandbox stops."""
        while condition() and not self.sandbox.is_closing and not await request.is_disconnected():
            await asyncio.sleep(0.05)

    def _owner_of_token(self, call: Call) -> int | None:
        return self.sandbox.tokens.owner(call.bearer)

    def _named_client(self, call: Call) -> int | None:
        client_id = call.form.get("client_id", "")
        is_known = client_id.isdecimal() and int(client_id) in self.sandbox.world.accounts
        return int(client_id) if is_known else None
