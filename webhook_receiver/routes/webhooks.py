"""Receives Hostaway's deliveries: authenticate, store, answer. The drainer interprets and applies them later."""

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
from webhook_receiver.delivery_auth import parse_basic
from webhook_receiver.deps import Receiver, client_address
from webhook_receiver.middleware import BodyTooLarge


class DirectRoute(APIRoute):
    """Calls the endpoint with nothing but the request: FastAPI's dependencies would cost a fifth of a delivery.

    It answers an HTTPException itself, as FastAPI would but with less work: refusals must stay cheap.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except HTTPException as refusal:
                return JSONResponse({"detail": refusal.detail}, refusal.status_code, refusal.headers)

        return answer


class WebhookLogin(SecurityBase):
    """Documents HTTP basic in OpenAPI. `_authenticate` checks the login; a ping needs none."""

    def __init__(self) -> None:
        self.scheme_name = "WebhookLogin"
        self.model = HttpScheme(scheme="basic", description="Login and password of the account's registration")

    async def __call__(self) -> None:
        pass


router = APIRouter(tags=["webhooks"], route_class=DirectRoute)
log = structlog.get_logger(__name__)
_OK = b'{"status":"ok"}'
# A ping needs no credentials: nothing of it is stored, and its answer reveals nothing.
_LARGEST_PING = 64
_OK_RESPONSE: Responses = {200: {"description": "The URL is reachable", "content": {"application/json": {}}}}
_RESPONSES: Responses = {
    200: {"description": "The delivery is stored durably (or was stored before)", "content": {"application/json": {}}},
    **problems(
        {
            400: "Not JSON, or not a delivery: Hostaway does not retry",
            401: "Wrong login, password, signature or account",
            413: "The body is larger than 1 MiB",
            415: "The body is compressed",
            429: "Too many wrong credentials from this address",
            503: "The database is unavailable, or this account's password cannot be decrypted: Hostaway retries",
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


@router.get("/webhooks/hostaway", responses=_OK_RESPONSE, summary="Answer Hostaway's check of the URL")
async def look(_: Request) -> Response:
    return Response(_OK, media_type="application/json")


@router.post(
    "/webhooks/hostaway",
    responses=_RESPONSES,
    openapi_extra=_BODY,
    dependencies=[Depends(WebhookLogin())],
    summary="Store one delivery in the inbox",
)
async def deliver(request: Request) -> Response:
    """2xx only once the event is durable. HTTP basic, with the login and password of the account's registration."""
    receiver: Receiver = request.app.state.receiver
    authorization = request.headers.get("Authorization")
    if authorization is None:
        await _require_ping(request, receiver)
        return _confirm(receiver, "ping")
    account_id = await _authenticate(request, receiver, authorization)
    body = await _read_body(request, receiver)
    _check_signature(request, receiver, body)
    if len(body) <= _LARGEST_PING and parse_json(body) == PING:
        return _confirm(receiver, "ping")
    await _store(request, receiver, account_id, body)
    return _confirm(receiver, "accepted")


async def _require_ping(request: Request, receiver: Receiver) -> None:
    """Refuse everything but a ping, and stop reading when the body is longer than one."""
    body = b""
    if _content_length(request) <= _LARGEST_PING:
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST_PING:
                break
    if len(body) > _LARGEST_PING or parse_json(body) != PING:
        raise _refuse_credentials(request, receiver, "wrong_credentials")


def _content_length(request: Request) -> int:
    """0 without the header. The parser has refused one that is not a number."""
    return int(request.headers.get("Content-Length", 0))


async def _authenticate(request: Request, receiver: Receiver, authorization: str) -> int:
    """Return the account's id. Called before a byte of the body is read."""
    given = parse_basic(authorization)
    try:
        account_id = await receiver.logins.authenticate(*given) if given else None
    except DatabaseUnavailable:
        receiver.results.count("database_away")
        raise
    except KeyringError as error:  # of this account only
        log.error("a webhook password cannot be decrypted", error=str(error))  # noqa: TRY400 (it holds no secret)
        detail = "the delivery cannot be accepted now: try again later"
        raise _refuse(receiver, "undecryptable", 503, detail, {"Retry-After": "5"}) from None
    if account_id is None:
        raise _refuse_credentials(request, receiver, "wrong_credentials")
    return account_id


async def _read_body(request: Request, receiver: Receiver) -> bytes:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _refuse(receiver, "compressed", 415, "a compressed body is not accepted: send it uncompressed")
    try:
        return await request.body()
    except BodyTooLarge as error:
        raise _refuse(receiver, "too_large", error.status_code, error.detail) from None


def _check_signature(request: Request, receiver: Receiver, body: bytes) -> None:
    header = receiver.signatures.header
    if not receiver.signatures.accepts(request.headers.get(header) if header else None, body):
        raise _refuse_credentials(request, receiver, "wrong_signature")


async def _store(request: Request, receiver: Receiver, account_id: int, body: bytes) -> None:
    try:
        delivery = parse_delivery(parse_json(body))
    except BadDelivery as bad:
        raise _refuse(receiver, "malformed", 400, str(bad)) from None
    if delivery.account_id != account_id:
        raise _refuse_credentials(request, receiver, "wrong_account")
    try:
        await receiver.writer.store(delivery, request.state.request_id)
    except DatabaseUnavailable:
        receiver.results.count("database_away")
        raise
    except EventRejected:
        receiver.results.count("unstorable")
        raise


def _confirm(receiver: Receiver, result: str) -> Response:
    receiver.results.count(result)
    return Response(_OK, media_type="application/json")


def _refuse_credentials(request: Request, receiver: Receiver, reason: str) -> HTTPException:
    """The same answer whatever is wrong: it does not reveal which accounts exist."""
    if receiver.wrong_tries.count_and_check(client_address(request)):
        return _refuse(receiver, "too_many_tries", 429, "too many wrong credentials", {"Retry-After": "60"})
    headers = {"WWW-Authenticate": 'Basic realm="webhooks"'}
    return _refuse(receiver, reason, 401, "wrong credentials", headers)


def _refuse(
    receiver: Receiver, reason: str, status: int, detail: str, headers: dict[str, str] | None = None
) -> HTTPException:
    """Count and log the refusal; the caller raises what is returned."""
    receiver.results.count(reason)
    log.info("delivery refused", reason=reason, status=status)
    return HTTPException(status, detail, headers)
