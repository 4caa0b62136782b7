"""From an error to an answer: one table, for every route. No answer and no log line repeats what was sent."""

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
# The first class that fits.
STATUSES: tuple[tuple[type[PipelineError], int], ...] = (
    (DatabaseUnavailable, 503),
    (ConfigurationError, 503),
    (EventRejected, 400),
    (AccountError, 404),
    (SyncInProgress, 409),
    (InvalidCredentials, 422),
    (RateLimited, 503),
    (TransientApiError, 502),
    (PermanentApiError, 502),
    (PipelineError, 500),
)
DATABASE_AWAY = "the database is away: Postgres cannot be reached or cannot do its work; try again later"
# The first class that fits; any other error is about the account or the object that was asked for.
_TOLD: tuple[tuple[type[PipelineError], str], ...] = (
    (DatabaseUnavailable, DATABASE_AWAY),
    (SchemaBehind, "the database schema is not the one this version needs: run `hostaway db migrate`"),
    (KeyringError, "HOSTAWAY_ENCRYPTION_KEYS does not fit what is stored; the log says more"),
    (ConfigurationError, "the service is not set up right; the log says more"),
)
_NAMES_DATABASE = re.compile(r"postgres(ql)?(\+\w+)?://|connection to server", re.IGNORECASE)
_SENDING = {
    "unknown": 404,
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
    """The log learns all of it; who asked, what is theirs to know."""
    status = status_of(error)
    log.warning("request failed", path=_template(request), status=status, error=str(error))
    headers = {"Retry-After": "5"} if status == 503 else {}
    if isinstance(error, MessageNotSent) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    content = {"detail": told(error)} | ({"status": error.status} if isinstance(error, MessageNotSent) else {})
    return JSONResponse(content, status, headers)


def told(error: BaseException) -> str:
    """What whoever asks may learn of an error: of the inside, only what kind of trouble it is in."""
    return next((text for kind, text in _TOLD if isinstance(error, kind)), None) or told_text(str(error))


def told_text(text: str) -> str:
    """The same for the text of an error that was stored: where the database is stays inside."""
    return DATABASE_AWAY if _NAMES_DATABASE.search(text) else text


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """FastAPI's own answer holds the input, which may be a secret, or something that is no JSON."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": "; ".join(_problem(one) for one in problems[:_MOST_PROBLEMS])}, 422)


def _problem(problem: Mapping[str, Any]) -> str:
    where, *path = problem["loc"]
    if problem["type"] == "json_invalid":
        return "the body is no JSON"
    if problem["type"] == "extra_forbidden":  # the name is the sender's, too
        return ".".join([str(where), *map(str, path[:-1])]) + ": holds a key that is not known"
    return f"{'.'.join(map(str, path)) or where}: {problem['msg']}"


def status_of(error: Exception) -> int:
    if isinstance(error, MessageNotSent):
        return _SENDING[error.status]
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def _template(request: Request) -> str:
    """The route, not the path: a path may hold what a log should not."""
    return getattr(request.scope.get("route"), "path", "unknown")


def places(error: BaseException) -> list[str]:
    """Where it came from, innermost last; of our own code where any took part."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in (ours or frames)[-_FRAMES:]]
