"""Send: a message to the guest of a reservation, once, or again when the caller asks for that in so many words.

The turn comes first, then a look at the conversation, then the fence right before the request (`Outbox.begin`). After
an unclear answer (cut, timed out, 5xx) nobody knows whether the message went out, and it may still arrive: then it is
only looked for. It is sent again only when it is not there, `HOSTAWAY_SEND_PATIENCE` is over, and the caller says so.
"""

from dataclasses import dataclass

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.domain.entities import CONVERSATIONS
from hostaway_pipeline.domain.vocabulary import Channel
from hostaway_pipeline.errors import Aborted, ApiError, MessageNotSent
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.store.outbox import OutboundMessage
from hostaway_pipeline.sync.sending.doubt import busy, in_doubt, not_yet
from hostaway_pipeline.sync.sending.recipients import account_of, conversation_of
from hostaway_pipeline.sync.sending.recognise import LONGEST_REQUEST, read_conversation, recognised
from hostaway_pipeline.sync.sending.sender import Sender, found_again, store

# After so many seconds each, a message is looked for while its request may still be under way.
_LOOKS = (0.0, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A message to be sent. `account_id` is needed where the tables do not tell whose reservation it is.

    `resend`: send it again if its earlier attempt ended unclearly, is older than the patience, and is not found.
    """

    key: str
    reservation_id: int
    body: str
    channel: Channel = "email"
    account_id: int | None = None
    resend: bool = False


def send_message(services: Services, wish: SendRequest) -> OutboundMessage:
    """The message as it stands once it is sent; a repeated key sends nothing again unless `resend` says so.

    Raises MessageNotSent with its `status`: `failed` (Hostaway refused it), `unclear` (nobody knows: repeat with the
    same key, which only looks), `busy` (the same key is being sent right now), `too_early` (to be sent again),
    `mismatch` (the key belongs to another message), `ambiguous`, `account_needed`, `unasked` or `unknown` (see
    recipients.py). Any other error means that this call has sent nothing.
    """
    message = services.outbox.find(wish.key) or _added(services, wish)
    is_same_account = wish.account_id in (None, message.account_id)
    if not is_same_account or not message.is_same_message(wish.reservation_id, wish.body, wish.channel):
        raise MessageNotSent("this Idempotency-Key was used for another message", "mismatch")
    if message.status == "sent":
        return message
    account = services.accounts.get(message.account_id)
    message = _looked_for(services, account, message, resend=wish.resend)
    if message.status != "sent":
        message = _looked_for(services, account, Sender(services, account, message).run())
    if message.status != "sent":
        raise busy("another caller with the same Idempotency-Key has taken this message over")
    return message


def _added(services: Services, wish: SendRequest) -> OutboundMessage:
    account_id = account_of(services, wish.reservation_id, wish.account_id)
    conversation_id, row = conversation_of(services, account_id, wish.reservation_id)
    store(services, services.accounts.get(account_id), CONVERSATIONS, row)
    return services.outbox.add(
        wish.key,
        account_id=account_id,
        reservation_id=wish.reservation_id,
        conversation_id=conversation_id,
        body=wish.body,
        communication_type=wish.channel,
    )


def _looked_for(
    services: Services, account: Account, message: OutboundMessage, *, resend: bool = False
) -> OutboundMessage:
    """The message once it is known what became of its last attempt, or once its sender may look for it and send again.

    Raises MessageNotSent (`unclear`, `busy`, `too_early`) while neither is so.
    """
    patience = services.settings.send_patience
    with in_doubt(message, patience=patience):
        reason = message.error or "its sender gave no account of it"
        for seconds in _looks(message, resend=resend):
            try:
                services.sleep(seconds)
                found = _look(services, message)
            except Aborted:
                break
            except ApiError as error:
                reason = str(error)
            else:
                if found is not None and (sent := found_again(services, account, message, *found)) is not None:
                    return sent
            message = services.outbox.get(message.id) or message
            if not message.is_unclear:
                break
        if not message.is_unclear or (resend and (message.age or 0.0) >= patience):
            return message
    raise not_yet(message, reason, patience=patience, resend=resend)


def _looks(message: OutboundMessage, *, resend: bool) -> tuple[float, ...]:
    """When to look: often while a sender may be at work, once when it cannot."""
    if not message.is_unclear:
        return ()
    is_young = (message.age or 0.0) < LONGEST_REQUEST
    return _LOOKS if is_young and not resend else _LOOKS[:1]


def _look(services: Services, message: OutboundMessage) -> tuple[int, ApiObject] | None:
    with services.interactive_client(message.account_id) as client:
        held = read_conversation(client, message.conversation_id)
    return recognised(held, message, services.outbox.others(message))
