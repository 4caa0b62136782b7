"""ASGI middleware around every route: request ids, HEAD, the size of bodies, and unexpected errors.

Limits of a connection are in protocol.py; credentials of a delivery are checked in its route.
"""

import re
import secrets

import structlog
from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webhook_receiver.deps import check_api_key
from webhook_receiver.errors import places

LARGEST_BODY = 1024 * 1024
# Of all bodies together: room for the commit in progress and the next one, 8 MiB each. A small body, as most deliveries
# have, is accepted even while others fill that limit.
_MOST_HELD, _SMALL_BODY = 20 * 1024 * 1024, 16 * 1024
_WEBHOOK = "/webhooks/hostaway"
# Their handlers ask for the next message only to notice that the client has disconnected.
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = b"x-request-id"
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
log = structlog.get_logger(__name__)


class RequestIds:
    """Gives each request an id, or keeps a valid one from X-Request-ID: it is in every answer, log line and event."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _REQUEST_ID), b"")
        request_id = given if _VALID_REQUEST_ID.fullmatch(given) else secrets.token_hex(8).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_REQUEST_ID, request_id)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id.decode()):
            await self._app(scope, receive, send_with_id)


class HeadRequests:
    """Answers HEAD wherever GET is answered; uvicorn omits the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: uvicorn reads the method from the original
        await self._app(scope, receive, send)


class LastResort:
    """Answers 500 to an unexpected error and logs its kind and place only: its text may quote values of a statement."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except ClientDisconnect:
            log.info("the client disconnected before its request was complete")
        except Exception as error:  # noqa: BLE001 (uvicorn would log the whole traceback)
            log.error("unexpected error", kind=type(error).__name__, at=places(error))  # noqa: TRY400
            if not has_begun:
                answer = JSONResponse({"detail": "an unexpected error; the log says more under this X-Request-ID"}, 500)
                await answer(scope, receive, send)


class BodyTooLarge(HTTPException):
    """Raised to the code that reads the body."""

    def __init__(self) -> None:
        super().__init__(413, f"the body is larger than {LARGEST_BODY} bytes")


class BodyLimit:
    """Limits one body to 1 MiB and all bodies in memory to 20 MiB, with or without a Content-Length.

    Our own API reads no body before the key has been checked; the webhook's route checks its login itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def receive_and_count() -> Message:
            nonlocal size
            if size == 0:
                _check_headers(scope)
            message = await receive()
            length = len(message.get("body", b""))
            size += length
            self._held += length
            if size > LARGEST_BODY:
                raise BodyTooLarge
            if self._held > _MOST_HELD and size > _SMALL_BODY:
                raise HTTPException(503, "too many large bodies at once: try again later", {"Retry-After": "5"})
            return message

        try:
            await self._app(scope, receive_and_count, send)
        finally:
            self._held -= size


def _check_headers(scope: Scope) -> None:
    """Check key and Content-Length before the first byte of the body is read."""
    request = Request(scope)
    if scope["path"] != _WEBHOOK and scope["method"] not in _WITHOUT_BODY:
        check_api_key(request)
    if int(request.headers.get("Content-Length", 0)) > LARGEST_BODY:
        raise BodyTooLarge
