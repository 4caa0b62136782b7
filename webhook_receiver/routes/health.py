"""Probes and metrics: no key, no secrets."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from hostaway_pipeline.errors import PipelineError
from webhook_receiver.answers import problems
from webhook_receiver.deps import Parts
from webhook_receiver.metrics import exposition

router = APIRouter(tags=["probes"])
_NOT_READY = problems({503: "What is wrong: the database, its schema or the encryption keys"})


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


@router.get("/metrics", summary="For Prometheus", response_class=PlainTextResponse)
def metrics(parts: Parts) -> Response:
    """Work done by Dagster's runs and by commands counts, too."""
    body, content_type = exposition(parts)
    return Response(body, media_type=content_type)
