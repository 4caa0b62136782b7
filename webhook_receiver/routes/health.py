"""Probes and metrics: no key, no secrets."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from hostaway_pipeline.errors import PipelineError
from webhook_receiver.deps import Parts
from webhook_receiver.metrics import exposition
from webhook_receiver.schemas import Problem

router = APIRouter(tags=["probes"])
_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Problem, "description": "What is wrong"}}


@router.get("/health", summary="The process is alive")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/ready", responses=_NOT_READY, response_model=None, summary="Database, schema and keys are right")
def ready(parts: Parts) -> dict[str, str] | JSONResponse:
    try:
        parts.services.check()
    except PipelineError as error:
        return JSONResponse({"detail": str(error)}, 503)
    return {"status": "ready"}


@router.get("/metrics", summary="For Prometheus", response_class=Response)
def metrics(parts: Parts) -> Response:
    """Work done by Dagster's runs and by commands counts, too."""
    body, content_type = exposition(parts)
    return Response(body, media_type=content_type)
