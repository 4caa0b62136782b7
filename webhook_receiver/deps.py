"""FastAPI dependencies: the receiver's components, and the check of API keys."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer

from hostaway_pipeline.services import Services
from webhook_receiver.auth import ApiKeys, WrongTries
from webhook_receiver.delivery_auth import Logins, Signatures
from webhook_receiver.inbox_writer import InboxWriter
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


# Coroutines, though they await nothing: FastAPI would run plain functions in a thread, which takes as long as a commit.
async def get_receiver(request: Request) -> Receiver:
    receiver: Receiver = request.app.state.receiver
    return receiver


ReceiverDep = Annotated[Receiver, Depends(get_receiver)]


async def get_services(receiver: ReceiverDep) -> Services:
    return receiver.services


ServicesDep = Annotated[Services, Depends(get_services)]
_bearer = HTTPBearer(auto_error=False, description="A key of HOSTAWAY_API_KEYS")


async def require_api_key(request: Request, _: Annotated[object, Depends(_bearer)] = None) -> None:
    check_api_key(request)


def check_api_key(request: Request) -> None:
    """Raises 401 without a right key, also while none is configured, and 429 after too many wrong ones."""
    receiver: Receiver = request.app.state.receiver
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    is_given = scheme.lower() == "bearer" and key != ""
    if is_given and receiver.api_keys.accepts(key):
        return
    if is_given and receiver.wrong_tries.count_and_check(client_address(request)):
        raise HTTPException(429, "too many wrong keys from this address; wait a minute", {"Retry-After": "60"})
    detail = "a bearer key is needed" if receiver.api_keys else "no key is configured: set HOSTAWAY_API_KEYS"
    raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


ApiKey = Depends(require_api_key)


def client_address(request: Request) -> str:
    return request.client.host if request.client else "unknown"
