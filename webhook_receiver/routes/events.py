"""The inbox over HTTP: list events and replay them."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from hostaway_pipeline.domain.vocabulary import EventStatus
from webhook_receiver.answers import GUARDED, MALFORMED, WITH_BODY
from webhook_receiver.deps import ApiKey, ServicesDep
from webhook_receiver.errors import public_text
from webhook_receiver.schemas import BIGINT, Event, Events, Replay, Replayed

router = APIRouter(prefix="/events", tags=["events"], dependencies=[ApiKey], responses=GUARDED)


@router.get("", responses=MALFORMED, summary="The newest events, without their payloads")
def list_events(
    services: ServicesDep,
    account_id: Annotated[int | None, Query(ge=1, le=BIGINT)] = None,
    status: EventStatus | None = None,
    before: Annotated[
        int | None, Query(ge=1, le=BIGINT, description="Only events below this id: the next page")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Events:
    state = services.inbox.state()
    found = services.inbox.newest(account_id=account_id, status=status, before=before, limit=limit)
    shown = [Event(**event | {"error": event["error"] and public_text(event["error"])}) for event in found]
    return Events(pending=state.pending, failed=state.failed, events=shown)


@router.post("/replay", responses=WITH_BODY, summary="Apply events again")
def replay(services: ServicesDep, chosen: Replay) -> Replayed:
    """By ids, or all that failed. The drainer applies them again."""
    if bool(chosen.ids) == chosen.failed:
        raise HTTPException(422, "give either ids or failed")
    number = services.inbox.replay(chosen.ids, failed=chosen.failed, account_id=chosen.account_id)
    return Replayed(pending_again=number)
