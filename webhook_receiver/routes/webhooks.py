"""Hostaway's deliveries: authenticate, store, answer. What they mean is found out later, by the drainer."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.openapi.models import HTTPBase as HttpScheme
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from hostaway_pipeline.domain.events import PING, BadDelivery, parse_delivery
from hostaway_pipeline.domain.values import parse_json
from hostaway_pipeline.errors import DatabaseUnavailable, EventRejected, KeyringError
from webhook_receiver.answers import Responses, problems
from webhook_receiver.auth import parse_basic
from webhook_receiver.deps import Receiver, client_address
from webhook_receiver.middleware import BodyTooLarge


class DirectRoute(APIRoute):
    """Calls the endpoint with the request and nothing else: FastAPI's dependencies would cost a fifth of a delivery.

    What it refuses is answered here, as FastAPI would: for strangers nothing is to be unwound that costs the others.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except HTTPException as refused:
                return JSONResponse({"detail": refused.detail}, refused.status_code, refused.headers)

        return answer


class WebhookLogin(SecurityBase):
    """Only documents HTTP basic. Who is asking is found out in `_account`: a ping needs no login."""

    def __init__(self) -> None:
        self.scheme_name = "WebhookLogin"
        self.model = HttpScheme(scheme="basic", description="Login and password of the account's registration")

    async def __call__(self) -> None:
        pass


router = APIRouter(tags=["webhooks"], route_class=DirectRoute)
log = structlog.get_logger(__name__)
_OK = b'{"status":"ok"}'
# A ping may come without credentials: nothing of it is stored, and its answer tells nothing.
_LARGEST_PING = 64
_OK_RESPONSE: Responses = {200: {"description": "Understood", "content": {"application/json": {}}}}
_RESPONSES: Responses = {
    200: {"description": "The delivery is stored durably (or was stored before)", "content": {"application/json": {}}},
    **problems(
        {
            400: "No JSON, or not the shape of a delivery: Hostaway does not try again",
            401: "Wrong login, password, signature or account",
            413: "The body is larger than 1 MiB",
            415: "The body is compressed",
            429: "Too many wrong credentials from this address",
            503: "The database is away, or this account's password cannot be decrypted: Hostaway tries again",
        }
    ),
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {
                    "delivery": {
                        "value": {
                            "object": "reservation",
                            "event": "reservation.updated",
                            "accountId": 59808,
                            "data": {"id": 1234567, "status": "modified", "updatedOn": "2026-11-24 10:00:00"},
                        }
                    },
                    "ping": {"value": PING},
                },
            }
        },
    }
}


@router.get("/webhooks/hostaway", responses=_OK_RESPONSE, summary="Answers Hostaway's look at the URL")
async def look(_: Request) -> Response:
    return Response(_OK, media_type="application/json")


@router.post(
    "/webhooks/hostaway",
    responses=_RESPONSES,
    openapi_extra=_BODY,
    dependencies=[Depends(WebhookLogin())],
    summary="Take one delivery into the inbox",
)
async def deliver(request: Request) -> Response:
    """2xx only once the event is durable. HTTP basic, with the login and password of the account's registration."""
    parts: Receiver = request.app.state.receiver
    authorization = request.headers.get("Authorization")
    if authorization is None:
        await _only_a_ping(request, parts)
        return _accepted(parts, "ping")
    account_id = await _account(request, parts, authorization)
    body = await _body(request, parts)
    _check_signature(request, parts, body)
    if len(body) <= _LARGEST_PING and parse_json(body) == PING:
        return _accepted(parts, "ping")
    await _store(request, parts, account_id, body)
    return _accepted(parts, "accepted")


def _accepted(parts: Receiver, result: str) -> Response:
    parts.results.count(result)
    return Response(_OK, media_type="application/json")


async def _only_a_ping(request: Request, parts: Receiver) -> None:
    """Who shows no credentials may send no more than a ping is long."""
    body = b""
    if _told_length(request) <= _LARGEST_PING:
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST_PING:
                break
    if len(body) > _LARGEST_PING or parse_json(body) != PING:
        raise _wrong_credentials(request, parts, "wrong_credentials")


def _told_length(request: Request) -> int:
    """0 where none is told: the parser has let no other text through."""
    return int(request.headers.get("Content-Length", 0))


async def _body(request: Request, parts: Receiver) -> bytes:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _refused(parts, "compressed", 415, "a compressed body is not taken: send it as it is")
    try:
        return await request.body()
    except BodyTooLarge as error:
        raise _refused(parts, "too_large", error.status_code, error.detail) from None


async def _account(request: Request, parts: Receiver, authorization: str) -> int:
    """Before a byte of the body is read."""
    given = parse_basic(authorization)
    try:
        account_id = await parts.logins.account_of(*given) if given else None
    except DatabaseUnavailable:
        parts.results.count("database_away")
        raise
    except KeyringError as error:  # this account's alone
        log.error("a webhook password cannot be decrypted", error=str(error))  # noqa: TRY400 (it holds no secret)
        detail = "this cannot be taken now: try again later"
        raise _refused(parts, "undecryptable", 503, detail, {"Retry-After": "5"}) from None
    if account_id is None:
        raise _wrong_credentials(request, parts, "wrong_credentials")
    return account_id


def _wrong_credentials(request: Request, parts: Receiver, reason: str) -> HTTPException:
    """The same answer whatever is wrong: nobody learns which accounts there are."""
    if parts.wrong_tries.is_too_many(client_address(request)):
        return _refused(parts, "too_many_tries", 429, "too many wrong credentials", {"Retry-After": "60"})
    headers = {"WWW-Authenticate": 'Basic realm="webhooks"'}
    return _refused(parts, reason, 401, "wrong credentials", headers)


def _check_signature(request: Request, parts: Receiver, body: bytes) -> None:
    header = parts.signatures.header
    if not parts.signatures.accept(request.headers.get(header) if header else None, body):
        raise _wrong_credentials(request, parts, "wrong_signature")


async def _store(request: Request, parts: Receiver, account_id: int, body: bytes) -> None:
    try:
        delivery = parse_delivery(parse_json(body))
    except BadDelivery as bad:
        raise _refused(parts, "malformed", 400, str(bad)) from None
    if delivery.account_id != account_id:
        raise _wrong_credentials(request, parts, "wrong_account")
    try:
        await parts.writer.store(delivery, request.state.request_id)
    except DatabaseUnavailable:
        parts.results.count("database_away")
        raise
    except EventRejected:
        parts.results.count("unstorable")
        raise


def _refused(
    parts: Receiver, reason: str, status: int, detail: str, headers: dict[str, str] | None = None
) -> HTTPException:
    parts.results.count(reason)
    log.info("delivery refused", reason=reason, status=status)
    return HTTPException(status, detail, headers)
