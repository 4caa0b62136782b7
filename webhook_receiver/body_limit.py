"""No body grows beyond 1 MiB in memory, whoever sends it and however: with its length told, or in chunks; all of them
together keep to a bound, too. Our own API reads none before its key is right; the webhook looks at its login itself.
"""

from fastapi import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webhook_receiver.deps import check_api_key

LARGEST_BODY = 1024 * 1024
MOST_HELD = 24 * 1024 * 1024
# An ordinary delivery is smaller: it is taken even while others fill that bound.
_SMALL = 16 * 1024
HOOK = "/webhooks/hostaway"
# Their handlers ask for the next message only to learn that the client has gone.
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyTooLarge(HTTPException):
    """Raised to whoever reads the body."""

    def __init__(self) -> None:
        super().__init__(413, f"the body is larger than {LARGEST_BODY} bytes")


class BodyLimit:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            if size == 0:
                _check_beforehand(scope)
            message = await receive()
            length = len(message.get("body", b""))
            size += length
            self._held += length
            if size > LARGEST_BODY:
                raise BodyTooLarge
            if self._held > MOST_HELD and size > _SMALL:
                raise HTTPException(503, "too much is being received: try again later", {"Retry-After": "5"})
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= size


def _check_beforehand(scope: Scope) -> None:
    """Before the first byte is read."""
    request = Request(scope)
    if scope["path"] != HOOK and scope["method"] not in _WITHOUT_BODY:
        check_api_key(request)
    if int(request.headers.get("Content-Length", 0)) > LARGEST_BODY:
        raise BodyTooLarge
