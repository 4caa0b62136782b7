"""Probes and metrics. They need no key and show no secret."""

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from webhook_receiver.answers import problems
from webhook_receiver.deps import ReceiverDep
from webhook_receiver.errors import public_message
from webhook_receiver.metrics import exposition

log = structlog.get_logger(__name__)
router = APIRouter(tags=["probes"])
_NOT_READY = problems({503: "What is unusable: the database, its schema or the encryption keys"})


@router.get("/health", summary="Whether the process is alive")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/ready", responses=_NOT_READY, response_model=None, summary="Whether database, schema and keys are usable")
async def ready(receiver: ReceiverDep) -> dict[str, str] | JSONResponse:
    error = await receiver.probes.check()
    if error is not None:
        log.warning("not ready", error=str(error))
        return JSONResponse({"detail": public_message(error)}, 503)
    return {"status": "ready"}


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(receiver: ReceiverDep) -> Response:
    """Includes what Dagster's runs and commands have counted."""
    body, content_type = await receiver.probes.run(lambda: exposition(receiver))
    return Response(body, media_type=content_type)
