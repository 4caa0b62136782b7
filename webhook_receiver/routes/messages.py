"""Sends messages to guests through Hostaway."""

from typing import Annotated

from fastapi import APIRouter, Header

from hostaway_pipeline.sync.sending.send import SendRequest, send_message
from webhook_receiver.answers import GUARDED, WITH_BODY, problems
from webhook_receiver.deps import ApiKey, ServicesDep
from webhook_receiver.schemas import NewMessage, SentMessage

_SENDING = problems(
    {
        404: "No such reservation, or it has no conversation",
        409: "`busy`: a request with the same key is in progress, or its sender has just died. `too_early`: it is not "
        "known yet whether the message was sent; `resend` is accepted after the seconds in Retry-After. `ambiguous`: "
        "several accounts have this reservation id",
        422: "A value is invalid, the message has no visible character, Hostaway rejects it (`failed`), the key was "
        "used for another message (`mismatch`), the guest was erased (`erased`), or the reservation is not stored and "
        "`account_id` must name its account (`account_needed`)",
        502: "`unclear`: Hostaway gave no clear answer to the request to send it, so that it may still go out. Repeat "
        "the request with the same Idempotency-Key, which only looks for it; a new key would be another message. "
        "Without a status: Hostaway failed before the request to send, and nothing was sent",
        503: "This request has sent nothing: repeat it later with the same Idempotency-Key",
    }
)
router = APIRouter(tags=["messages"], dependencies=[ApiKey], responses=GUARDED | WITH_BODY | _SENDING)
IdempotencyKey = Annotated[
    str,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Chosen by you, one per message. A request that repeats a key only looks for the message",
    ),
]


@router.post("/messages", status_code=201, summary="Send a message to a reservation's guest")
def send(services: ServicesDep, new: NewMessage, idempotency_key: IdempotencyKey) -> SentMessage:
    """Finds account and conversation, keeps to Hostaway's 30 messages a minute, and sends once per key.

    Hostaway has no idempotency key of its own. When its answer is unclear, the message is looked for in its
    conversation and not sent again automatically: the answer is 201 once it is found, else 502 with `unclear`, also
    minutes later. Only `resend` sends a second time, after HOSTAWAY_SEND_PATIENCE and one more look; if Hostaway
    accepts the first request later than that, the guest reads the message twice.
    """
    request = SendRequest(
        idempotency_key, new.reservation_id, new.message, new.channel_type, new.account_id, new.resend
    )
    sent = send_message(services, request)
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
