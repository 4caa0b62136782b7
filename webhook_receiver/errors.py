"""From an error of ours to an answer: one table, for every route."""

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from hostaway_pipeline.errors import (
    AccountError,
    ConfigurationError,
    DatabaseUnavailable,
    EventRejected,
    InvalidCredentials,
    MessageNotSent,
    PermanentApiError,
    PipelineError,
    RateLimited,
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
_SENDING = {"unknown": 404, "ambiguous": 409, "busy": 409, "mismatch": 422, "failed": 422, "unclear": 502}


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(PipelineError, _answer)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    status = status_of(error)
    log.warning("request failed", path=_template(request), status=status, error=str(error))
    headers = {"Retry-After": "5"} if status == 503 else {}
    content = {"detail": str(error)} | ({"status": error.status} if isinstance(error, MessageNotSent) else {})
    return JSONResponse(content, status, headers)


def status_of(error: Exception) -> int:
    if isinstance(error, MessageNotSent):
        return _SENDING[error.status]
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def _template(request: Request) -> str:
    """The route, not the path: a path may hold what a log should not."""
    return getattr(request.scope.get("route"), "path", "unknown")
