"""No body grows beyond 1 MiB in memory, whoever sends it and however: with its length told, or in chunks."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1024 * 1024


class BodyTooLarge(HTTPException):
    """Raised to whoever reads the body."""

    def __init__(self) -> None:
        super().__init__(413, f"the body is larger than {LARGEST_BODY} bytes")


class BodyLimit:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > LARGEST_BODY:
                raise BodyTooLarge
            return message

        await self._app(scope, counted, send)
