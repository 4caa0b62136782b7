"""Messages to guests, sent through Hostaway."""

from typing import Annotated

from fastapi import APIRouter, Header

from hostaway_pipeline.sync.send import Wish, send_message
from webhook_receiver.answers import GUARDED, WITH_BODY, problems
from webhook_receiver.deps import ApiKey, ServicesDep
from webhook_receiver.schemas import NewMessage, SentMessage

_SENDING = problems(
    {
        404: "No such reservation, or it has no conversation",
        409: "Being sent right now, or several accounts have this reservation id",
        422: "A value is not of this form, Hostaway refuses it, or the key was used for another message",
        502: "Nobody knows whether it was sent, or Hostaway did not answer: repeat with the same Idempotency-Key",
        503: "Nothing was sent: repeat later with the same Idempotency-Key",
    }
)
router = APIRouter(tags=["messages"], dependencies=[ApiKey], responses=GUARDED | WITH_BODY | _SENDING)
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
