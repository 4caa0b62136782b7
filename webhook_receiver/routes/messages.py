"""Messages to guests, sent through Hostaway."""

from typing import Annotated, Any

from fastapi import APIRouter, Header

from hostaway_pipeline.sync.send import Wish, send_message
from webhook_receiver.deps import ApiKey, ServicesDep
from webhook_receiver.schemas import NewMessage, Problem, SentMessage

_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No key, or a wrong one"},
    404: {"model": Problem, "description": "No such reservation, or it has no conversation"},
    409: {"model": Problem, "description": "Being sent right now, or several accounts have this reservation id"},
    422: {"model": Problem, "description": "Hostaway refuses it, or the key was used for another message"},
    429: {"model": Problem, "description": "Too many wrong keys from this address"},
    502: {"model": Problem, "description": "Nobody knows whether it was sent: repeat with the same Idempotency-Key"},
    503: {"model": Problem, "description": "Nothing was sent: repeat later with the same Idempotency-Key"},
}
router = APIRouter(tags=["messages"], dependencies=[ApiKey], responses=_RESPONSES)
IdempotencyKey = Annotated[
    str,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Yours, one per message: repeated, it sends nothing again",
    ),
]


@router.post("/messages", status_code=201, summary="Send a message to a reservation's guest")
def send(services: ServicesDep, new: NewMessage, idempotency_key: IdempotencyKey) -> SentMessage:
    """Finds account and conversation, keeps to Hostaway's 30 messages a minute, and never sends twice."""
    wish = Wish(idempotency_key, new.reservation_id, new.message, new.channel_type, new.account_id)
    sent = send_message(services, wish)
    return SentMessage(
        id=sent.id,
        account_id=sent.account_id,
        reservation_id=sent.reservation_id,
        conversation_id=sent.conversation_id,
        message_id=sent.message_id,
        channel_type=sent.communication_type,
        status=sent.status,
        attempts=sent.attempts,
    )
