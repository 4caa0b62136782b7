"""What a request can depend on: the receiver's parts, and who is asking."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer

from hostaway_pipeline.services import Services
from webhook_receiver.auth import ApiKeys, Signatures, WrongTries
from webhook_receiver.inbox_writer import InboxWriter
from webhook_receiver.logins import Logins
from webhook_receiver.probes import Probes
from webhook_receiver.results import Results


@dataclass(slots=True)
class Receiver:
    """Everything that lives as long as the process."""

    services: Services
    logins: Logins
    signatures: Signatures
    api_keys: ApiKeys
    wrong_tries: WrongTries
    writer: InboxWriter
    results: Results
    probes: Probes


# Coroutines, though they wait for nothing: FastAPI would hand plain functions to a thread, at the cost of a commit.
async def receiver(request: Request) -> Receiver:
    found: Receiver = request.app.state.receiver
    return found


Parts = Annotated[Receiver, Depends(receiver)]


async def services(parts: Parts) -> Services:
    return parts.services


ServicesDep = Annotated[Services, Depends(services)]
_bearer = HTTPBearer(auto_error=False, description="A key of HOSTAWAY_API_KEYS")


async def require_api_key(request: Request, _: Annotated[object, Depends(_bearer)] = None) -> None:
    check_api_key(request)


def check_api_key(request: Request) -> None:
    """401 without a right key, 429 after too many wrong ones; nobody gets in while no keys are set."""
    parts: Receiver = request.app.state.receiver
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    is_given = scheme.lower() == "bearer" and key != ""
    if is_given and parts.api_keys.accept(key):
        return
    if is_given and parts.wrong_tries.is_too_many(client_address(request)):
        raise HTTPException(429, "too many wrong keys from this address; wait a minute", {"Retry-After": "60"})
    detail = "a bearer key is needed" if parts.api_keys else "no key is configured: set HOSTAWAY_API_KEYS"
    raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


ApiKey = Depends(require_api_key)


def client_address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
