"""Sends a message to the guest of a reservation once, or again when the caller explicitly asks for that.

An attempt waits for its turn, reads the conversation, and passes the fence (`Outbox.begin`) right before the request.
After an unclear outcome (connection cut, timeout, 5xx) the message may still arrive at Hostaway, so from then on it is
only looked for. It is sent again only if it is not found, `HOSTAWAY_SEND_PATIENCE` is over, and `resend` is set.
"""

from dataclasses import dataclass

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.domain.entities import CONVERSATIONS
from hostaway_pipeline.domain.vocabulary import Channel
from hostaway_pipeline.errors import Aborted, ApiError, MessageNotSent
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.store.outbox import OutboundMessage, Outbox
from hostaway_pipeline.sync.sending.doubt import in_doubt, not_yet, taken_over
from hostaway_pipeline.sync.sending.recipients import account_of, conversation_of
from hostaway_pipeline.sync.sending.recognise import MAX_REQUEST_SECONDS, matching_message, read_conversation
from hostaway_pipeline.sync.sending.sender import Sender, claim_found, store_read

# Seconds before each look for a message whose request may still be under way.
_LOOKS = (0.0, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A message to send. `account_id` is needed where the tables do not show which account has the reservation.

    `resend`: send it again if its last attempt ended unclearly, is older than the patience, and is not found.
    """

    key: str
    reservation_id: int
    body: str
    channel: Channel = "email"
    account_id: int | None = None
    resend: bool = False


def send_message(services: Services, request: SendRequest) -> OutboundMessage:
    """Send the message and return it; a repeated key sends nothing again unless `resend` is set.

    Raises MessageNotSent with its `status`: `failed` (Hostaway refused it), `unclear` (outcome unknown: repeat with the
    same key, which only looks for it), `busy` (the same key is being sent right now), `too_early` (to be sent again),
    `mismatch` (the key belongs to another message), `erased` (the guest was), `ambiguous`, `account_needed`, `unasked`
    or `unknown` (see recipients.py). Any other error means that this call has sent nothing.
    """
    message = _find_or_record(services, request)
    if message.status == "sent":
        return message
    account = services.accounts.get(message.account_id)
    message = _resolve(services, account, message, resend=request.resend)
    if message.status != "sent":
        message = Sender(services, account, message).send()
        message = _resolve(services, account, message)
    if message.status != "sent":
        raise taken_over()
    return message


def _find_or_record(services: Services, request: SendRequest) -> OutboundMessage:
    """The message of this key. Raises MessageNotSent (`mismatch`) when the key was used for another one."""
    message = services.outbox.find(request.key)
    if message is None:
        message = _record(services, request)
    is_same_account = request.account_id in (None, message.account_id)
    if not is_same_account or not message.is_same_message(request.reservation_id, request.body, request.channel):
        raise MessageNotSent("this Idempotency-Key was used for another message", "mismatch")
    return message


def _record(services: Services, request: SendRequest) -> OutboundMessage:
    account_id = account_of(services, request.reservation_id, request.account_id)
    conversation_id, row = conversation_of(
        services.lookup, services.interactive_client, account_id, request.reservation_id
    )
    writer = services.push_writer(services.accounts.get(account_id))
    store_read(writer, services.telemetry, CONVERSATIONS, row)
    return services.outbox.add(
        request.key,
        account_id=account_id,
        reservation_id=request.reservation_id,
        conversation_id=conversation_id,
        body=request.body,
        communication_type=request.channel,
    )


def _resolve(
    services: Services, account: Account, message: OutboundMessage, *, resend: bool = False
) -> OutboundMessage:
    """Look for a message whose last attempt is unclear; return it once it is found, or once it may be sent again.

    Raises MessageNotSent (`unclear`, `busy`, `too_early`) while neither holds.
    """
    patience = services.settings.send_patience
    with in_doubt(message, patience=patience):
        reason = message.error or "its sender recorded no outcome"
        for seconds in _looks(message, resend=resend):
            try:
                services.sleep(seconds)
                with services.interactive_client(message.account_id) as client:
                    match = _look(client, services.outbox, message)
            except Aborted:
                break
            except ApiError as error:
                reason = str(error)
            else:
                if match is not None and (sent := claim_found(services, account, message, *match)) is not None:
                    return sent
            message = services.outbox.get(message.id) or message
            if not message.is_unclear:
                break
        if not message.is_unclear or (resend and (message.age or 0.0) >= patience):
            return message
    raise not_yet(message, reason, patience=patience, resend=resend)


def _looks(message: OutboundMessage, *, resend: bool) -> tuple[float, ...]:
    """When to look: several times while a sender may be at work, once when none can be."""
    if not message.is_unclear:
        return ()
    is_young = (message.age or 0.0) < MAX_REQUEST_SECONDS
    return _LOOKS if is_young and not resend else _LOOKS[:1]


def _look(client: HostawayClient, outbox: Outbox, message: OutboundMessage) -> tuple[int, ApiObject] | None:
    held = read_conversation(client, message.conversation_id)
    return matching_message(held, message, outbox.others(message))
