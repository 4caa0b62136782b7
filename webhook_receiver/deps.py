"""What a request can depend on: the receiver's parts, and who is asking."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hostaway_pipeline.wiring import Services
from webhook_receiver.auth import ApiKeys, Credentials, Signatures, WrongTries
from webhook_receiver.inbox_writer import InboxWriter
from webhook_receiver.metrics import Results


@dataclass(slots=True)
class Receiver:
    """Everything that lives as long as the process."""

    services: Services
    credentials: Credentials
    signatures: Signatures
    api_keys: ApiKeys
    wrong_tries: WrongTries
    writer: InboxWriter
    results: Results


def receiver(request: Request) -> Receiver:
    found: Receiver = request.app.state.receiver
    return found


def services(request: Request) -> Services:
    return receiver(request).services


_bearer = HTTPBearer(auto_error=False, description="A key of HOSTAWAY_API_KEYS")


def require_api_key(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None
) -> None:
    """401 without a right key, 429 after too many wrong ones; nobody gets in while no keys are set."""
    parts = receiver(request)
    if given is not None and parts.api_keys.accept(given.credentials):
        return
    address = client_address(request)
    if given is not None and parts.wrong_tries.is_too_many(address):
        raise HTTPException(429, "too many wrong keys from this address; wait a minute", {"Retry-After": "60"})
    detail = "a bearer key is needed" if parts.api_keys else "no key is configured: set HOSTAWAY_API_KEYS"
    raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def client_address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


Parts = Annotated[Receiver, Depends(receiver)]
ServicesDep = Annotated[Services, Depends(services)]
ApiKey = Depends(require_api_key)
