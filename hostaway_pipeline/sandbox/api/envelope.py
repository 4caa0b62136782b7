"""Builds responses in Hostaway's envelopes: successes, lists, failures and 429s. Knows nothing of the objects."""

import asyncio
from email.utils import formatdate
from math import ceil
from typing import Any
from zlib import crc32

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hostaway_pipeline.sandbox.config import RetryAfterStyle
from hostaway_pipeline.sandbox.rules.faults import Oddity
from hostaway_pipeline.sandbox.rules.limits import Refusal
from hostaway_pipeline.sandbox.world.pages import Page

_SECONDS_PER_BYTE = 0.05
DENIED = "The resource owner or authorization server denied the request."
GATEWAY_PAGE = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


class ApiFailure(Exception):
    """Raised for a request that Hostaway answers with `status: fail`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class CutOff(Response):
    """Sends half of what Content-Length promises; the server then closes the connection as incomplete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


class Dribbling(Response):
    """Sends a byte at a time, starting in the headers or in the body, until the client disconnects or all is sent."""

    def __init__(self, answer: Response, *, from_headers: bool) -> None:
        super().__init__(bytes(answer.body), answer.status_code, media_type="application/json")
        self._head = b"HTTP/1.1 %d OK\r\ncontent-length: %d\r\n" % (answer.status_code, len(self.body))
        self._slow = b"x-slow: " + b"x" * 60_000 if from_headers else b"\r\n" + bytes(self.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # ASGI can only send complete headers, so write to uvicorn's transport directly.
        transport = receive.__self__.transport  # type: ignore[attr-defined]
        transport.write(self._head)
        for byte in self._slow:
            if transport.is_closing():
                break
            transport.write(bytes([byte]))
            await asyncio.sleep(_SECONDS_PER_BYTE)
        transport.abort()


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def success(result: Any) -> Response:
    return json_response({"status": "success", "result": result})


def page_of(page: Page, rows: list[Any]) -> Response:
    """One page of a list; `limit` is the limit after the cap, not the one requested."""
    return json_response(
        {
            "status": "success",
            "result": rows,
            "limit": page.limit,
            "offset": page.start,
            "count": page.count,
            "page": page.start // page.limit + 1,
            "totalPages": ceil(page.count / page.limit),
        }
    )


def odd(response: Response, oddity: Oddity) -> Response:
    """The response as the fault distorts it."""
    if oddity in ("html", "html-404"):
        return Response(GATEWAY_PAGE, 404 if oddity == "html-404" else 200, media_type="text/html")
    if oddity == "500":
        return gateway_error(500)
    if oddity == "404":
        return failure(ApiFailure(404, "The requested resource was not found"), "")
    body = orjson.loads(bytes(response.body))
    match oddity:
        case "empty-after-first" if not body.get("offset"):
            pass
        case "empty" | "empty-after-first":
            body |= {"result": [], "count": 0}
        case "null":
            body["result"] = None
        case "no-count":
            body.pop("count", None)
        case _ if "count" in body:
            changed = {"text-count": str(body["count"]), "one-more": body["count"] + 1, "one-less": body["count"] - 1}
            body["count"] = changed[oddity]
    return json_response(body)


def failure(failed: ApiFailure, path: str) -> Response:
    """A `status: fail`; the text is in `result` or in `message`, depending on the route."""
    key = "result" if crc32(path.encode()) % 2 else "message"
    return json_response({"status": "fail", key: failed.text}, failed.status)


def denied() -> Response:
    """The 403 for a token that is missing, revoked, expired or not yet usable."""
    return json_response({"status": "fail", "message": DENIED}, 403)


def invalid_client() -> Response:
    """The 401 in the OAuth endpoint's own format, without envelope."""
    description = "Client authentication failed"
    return json_response({"error": "invalid_client", "error_description": description}, 401)


def too_many_requests(refusal: Refusal, style: RetryAfterStyle) -> Response:
    """A 429, the only answer with `X-RateLimit-*` headers; Hostaway's retry header is a Unix timestamp."""
    headers = {"X-RateLimit-Limit": str(refusal.limit), "X-RateLimit-Remaining": "0"}
    free_at = ceil(refusal.free_at)
    match style:
        case "unix":
            headers["X-RateLimit-Retry-After"] = str(free_at)
        case "seconds":
            headers["Retry-After"] = str(max(1, ceil(refusal.seconds)))
        case "http-date":
            headers["Retry-After"] = formatdate(free_at, usegmt=True)
    return json_response({"status": "fail", "message": "Too many requests"}, 429, headers)


def gateway_error(status: int) -> Response:
    """A 5xx: 500 comes from Hostaway itself, as JSON; the others from the gateway in front of it, as HTML."""
    if status == 500:
        return json_response({"status": "fail", "message": "Internal server error"}, status)
    return Response(GATEWAY_PAGE, status, media_type="text/html")


def cut_off(response: Response) -> Response:
    return CutOff(bytes(response.body), response.status_code, media_type="application/json")


def cut_in_half(response: Response) -> Response:
    """A truncated body whose Content-Length matches what is sent."""
    body = bytes(response.body)
    return Response(body[: len(body) // 2], response.status_code, media_type="application/json")
