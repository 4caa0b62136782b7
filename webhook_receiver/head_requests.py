"""HEAD is answered wherever GET is: uvicorn leaves the body away."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadRequests:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: uvicorn still has to know
        await self._app(scope, receive, send)
