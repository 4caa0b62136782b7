"""Messages to guests, sent through Hostaway."""

from typing import Annotated

from fastapi import APIRouter, Header

from hostaway_pipeline.sync.sending.send import SendRequest, send_message
from webhook_receiver.answers import GUARDED, WITH_BODY, problems
from webhook_receiver.deps import ApiKey, ServicesDep
from webhook_receiver.schemas import NewMessage, SentMessage

_SENDING = problems(
    {
        404: "No such reservation, or it has no conversation",
        409: "`busy`: the same key is being sent right now, or its sender has just died. `too_early`: nobody knows yet "
        "whether it was sent; `resend` is taken after the seconds in Retry-After. `ambiguous`: several accounts have "
        "this reservation id",
        422: "A value is not of this form, the message shows nothing, Hostaway refuses it (`failed`), the key was used "
        "for another message (`mismatch`), or the reservation is in no table and `account_id` must say whose it is "
        "(`account_needed`)",
        502: "`unclear`: Hostaway was asked to send it and gave no clear answer, so that it may still go out. Ask "
        "again with the same Idempotency-Key, which only looks for it; a new key would be another message. Without "
        "a status: Hostaway failed before it was asked, and this request has sent nothing",
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
        description="Yours, one per message: repeated, it looks for what was sent and sends nothing again by itself",
    ),
]


@router.post("/messages", status_code=201, summary="Send a message to a reservation's guest")
def send(services: ServicesDep, new: NewMessage, idempotency_key: IdempotencyKey) -> SentMessage:
    """Finds account and conversation, keeps to Hostaway's 30 messages a minute, and asks Hostaway once per key.

    Hostaway has no idempotency key of its own. When its answer is unclear, the message is looked for in its
    conversation and not sent again by itself: the answer is then 201 once it is found, else 502 with `unclear`, also
    minutes later. Only `resend` asks Hostaway a second time, after HOSTAWAY_SEND_PATIENCE and one more look; should
    Hostaway accept the first one later than that, the guest reads the message twice.
    """
    wish = SendRequest(idempotency_key, new.reservation_id, new.message, new.channel_type, new.account_id, new.resend)
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
