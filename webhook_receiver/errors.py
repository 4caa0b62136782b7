"""Maps errors to HTTP answers, in one table for all routes. Neither answers nor log lines repeat what was sent."""

import re
import traceback
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from hostaway_pipeline.errors import (
    AccountError,
    AmbiguousReservation,
    ConfigurationError,
    DatabaseUnavailable,
    EventRejected,
    InvalidCredentials,
    KeyringError,
    MessageNotSent,
    PermanentApiError,
    PipelineError,
    RateLimited,
    SchemaBehind,
    SyncInProgress,
    TransientApiError,
)

log = structlog.get_logger(__name__)
# The first matching class counts.
_STATUSES: tuple[tuple[type[PipelineError], int], ...] = (
    (DatabaseUnavailable, 503),
    (ConfigurationError, 503),
    (EventRejected, 400),
    (AccountError, 404),
    (AmbiguousReservation, 409),
    (SyncInProgress, 409),
    (InvalidCredentials, 422),
    (RateLimited, 503),
    (TransientApiError, 502),
    (PermanentApiError, 502),
    (PipelineError, 500),
)
DATABASE_UNAVAILABLE = "the database is unavailable: Postgres cannot be reached or cannot do its work; try again later"
# The first matching class counts. Any other error is about an account or object, and its own text is public.
_PUBLIC_MESSAGES: tuple[tuple[type[PipelineError], str], ...] = (
    (DatabaseUnavailable, DATABASE_UNAVAILABLE),
    (SchemaBehind, "the database schema is not the one this version needs: run `hostaway db migrate`"),
    (KeyringError, "HOSTAWAY_ENCRYPTION_KEYS does not match the stored secrets; the log says more"),
    (ConfigurationError, "the service is not configured correctly; the log says more"),
)
_NAMES_DATABASE = re.compile(r"postgres(ql)?(\+\w+)?://|connection to server", re.IGNORECASE)
_SENDING = {
    "unknown": 404,
    "erased": 422,
    "ambiguous": 409,
    "busy": 409,
    "too_early": 409,
    "mismatch": 422,
    "failed": 422,
    "account_needed": 422,
    "unclear": 502,
    "unasked": 503,
}
_MOST_PROBLEMS = 5
_FRAMES = 4


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(PipelineError, _answer)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    """Log the whole error and answer with its public message."""
    status = _status_of(error)
    log.warning("request failed", path=_route_path(request), status=status, error=str(error))
    headers = {"Retry-After": "5"} if status == 503 else {}
    if isinstance(error, MessageNotSent) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    content = {"detail": public_message(error)} | (
        {"status": error.status} if isinstance(error, MessageNotSent) else {}
    )
    return JSONResponse(content, status, headers)


def public_message(error: BaseException) -> str:
    """The error's text, without details of database, schema or configuration."""
    return next((text for kind, text in _PUBLIC_MESSAGES if isinstance(error, kind)), None) or public_text(str(error))


def public_text(text: str) -> str:
    """The same for the stored text of an error, which may name the database's address."""
    return DATABASE_UNAVAILABLE if _NAMES_DATABASE.search(text) else text


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Replace FastAPI's own answer: it quotes the input, which may be a secret or cannot be written as JSON."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": "; ".join(_describe(problem) for problem in problems[:_MOST_PROBLEMS])}, 422)


def _describe(problem: Mapping[str, Any]) -> str:
    where, *path = problem["loc"]
    if problem["type"] == "json_invalid":
        return "the body is not JSON"
    if problem["type"] == "extra_forbidden":  # the client chose the key's name, too
        return ".".join([str(where), *map(str, path[:-1])]) + ": has an unknown key"
    return f"{'.'.join(map(str, path)) or where}: {problem['msg']}"


def _status_of(error: Exception) -> int:
    if isinstance(error, MessageNotSent):
        return _SENDING[error.status]
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


def _route_path(request: Request) -> str:
    """The route's template: the path itself may hold private values."""
    return getattr(request.scope.get("route"), "path", "unknown")


def places(error: BaseException) -> list[str]:
    """Files, lines and functions of the traceback, innermost last; only our own code, if it has any."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in (ours or frames)[-_FRAMES:]]
