"""Probes and metrics: no key, no secrets."""

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from webhook_receiver.answers import problems
from webhook_receiver.deps import Parts
from webhook_receiver.errors import told
from webhook_receiver.metrics import exposition

log = structlog.get_logger(__name__)
router = APIRouter(tags=["probes"])
_NOT_READY = problems({503: "What is wrong: the database, its schema or the encryption keys"})


@router.get("/health", summary="The process is alive")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/ready", responses=_NOT_READY, response_model=None, summary="Database, schema and keys are right")
async def ready(parts: Parts) -> dict[str, str] | JSONResponse:
    trouble = await parts.probes.trouble()
    if trouble is not None:
        log.warning("not ready", error=str(trouble))
        return JSONResponse({"detail": told(trouble)}, 503)
    return {"status": "ready"}


@router.get("/metrics", summary="For Prometheus", response_class=PlainTextResponse)
async def metrics(parts: Parts) -> Response:
    """Work done by Dagster's runs and by commands counts, too."""
    body, content_type = await parts.probes.run(lambda: exposition(parts))
    return Response(body, media_type=content_type)
