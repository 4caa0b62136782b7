"""Send: a message to the guest of a reservation, once, whatever happens between us and Hostaway.

After an unclear answer (cut, timed out, 5xx) nobody knows whether the message went out: then it is looked for, and only
a message that is surely not there is sent again.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from hostaway_pipeline.client.client import Found, Page
from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES, Entity, Row
from hostaway_pipeline.domain.values import as_bool, as_instant, as_int
from hostaway_pipeline.errors import (
    MessageNotSent,
    NotFound,
    PermanentApiError,
    RateLimited,
    TransientApiError,
)
from hostaway_pipeline.store.accounts import Account
from hostaway_pipeline.store.outbox import OutboundMessage
from hostaway_pipeline.store.push_tables import Changes
from hostaway_pipeline.sync.ports import Services

Channel = Literal["email", "channel", "sms", "whatsapp"]
# Hostaway's clock and ours need not agree.
_CLOCK_SKEW = timedelta(minutes=5)
# How often, and after how many seconds, a message is looked for after an unclear answer.
_LOOKS = (0.0, 1.0, 3.0)
# So long Hostaway may still be at work on a message whose sender died, or at most as long as answers are waited for.
_STILL_AT_WORK = 10.0
_PAGE_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """A message to be sent. `account_id` is needed only where two accounts have the same reservation id."""

    key: str
    reservation_id: int
    body: str
    channel: Channel = "email"
    account_id: int | None = None


def send_message(services: Services, wish: Wish) -> OutboundMessage:
    """The message as it stands once it is sent; a repeated key sends nothing again.

    Raises MessageNotSent with its `status`: `failed` (Hostaway refused it), `unclear` (nobody knows: repeat with the
    same key), `busy` (the same key is being sent right now), `mismatch` (the key belongs to another message),
    `ambiguous` or `unknown` (no such reservation, or no conversation). Any ApiError means that nothing more was sent.
    """
    message = services.outbox.find(wish.key)
    if message is None:
        message = _added(services, wish)
    is_same_account = wish.account_id in (None, message.account_id)
    if not is_same_account or not message.is_same_wish(wish.reservation_id, wish.body, wish.channel):
        raise MessageNotSent("this Idempotency-Key was used for another message", "mismatch")
    with services.sending_lock(message.id) as is_ours:
        if not is_ours:
            raise MessageNotSent("this message is being sent right now", "busy")
        message = services.outbox.find(wish.key) or message
        if message.status == "sent":
            return message
        account = services.accounts.get(message.account_id)
        _keep(services, account, message, _sent_before(services, message) or _sent_now(services, message))
    return services.outbox.find(wish.key) or message


def _added(services: Services, wish: Wish) -> OutboundMessage:
    account_id = _account_of(services, wish)
    conversation_id = services.lookup.conversation_of_reservation(account_id, wish.reservation_id)
    if conversation_id is None:
        conversation_id = _conversation_at_hostaway(services, account_id, wish.reservation_id)
    return services.outbox.add(
        wish.key,
        account_id=account_id,
        reservation_id=wish.reservation_id,
        conversation_id=conversation_id,
        body=wish.body,
        communication_type=wish.channel,
    )


def _account_of(services: Services, wish: Wish) -> int:
    if wish.account_id is not None:
        return services.accounts.get(wish.account_id).account_id
    found = services.lookup.accounts_of_reservation(wish.reservation_id)
    if not found:
        found = [a.account_id for a in services.accounts.active() if _has(services, a, wish.reservation_id)]
    if not found:
        raise MessageNotSent(f"no account has reservation {wish.reservation_id}", "unknown")
    if len(found) > 1:
        raise MessageNotSent(f"accounts {found} have reservation {wish.reservation_id}: say which", "ambiguous")
    return found[0]


def _has(services: Services, account: Account, reservation_id: int) -> bool:
    with services.interactive_client(account.account_id) as client:
        try:
            client.one(f"/reservations/{reservation_id}")
        except PermanentApiError:  # not there, not to be seen, or this account's secret is wrong
            return False
        return True


def _conversation_at_hostaway(services: Services, account_id: int, reservation_id: int) -> int:
    with services.interactive_client(account_id) as client:
        try:
            page = client.page(f"/reservations/{reservation_id}/conversations", {"limit": _PAGE_LIMIT})
        except NotFound:
            page = Page([], 0)
    newest = max(page.rows, key=lambda row: str(row.get("messageReceivedOn") or ""), default={})
    conversation_id = as_int(newest.get("id"))
    if conversation_id is None:
        raise MessageNotSent(f"reservation {reservation_id} has no conversation to write to", "unknown")
    _store(services, services.accounts.get(account_id), CONVERSATIONS, CONVERSATIONS.row(newest, page.read_at))
    return conversation_id


def _sent_before(services: Services, message: OutboundMessage) -> Found | None:
    """The message, if an earlier attempt whose end nobody knows has sent it."""
    if message.status not in ("sending", "unclear") or message.attempted_at is None:
        return None
    found = _look_for(services, message)
    if found is None:
        age = services.outbox.database_time() - message.attempted_at
        patience = min(_STILL_AT_WORK, services.settings.read_timeout) - age.total_seconds()
        if patience > 0:
            time.sleep(patience)
            found = _look_for(services, message)
    return found


def _sent_now(services: Services, message: OutboundMessage) -> Found:
    path = f"/conversations/{message.conversation_id}/messages"
    body = {"body": message.body, "communicationType": message.communication_type}
    asked_at = services.outbox.attempt(message.id)
    try:
        with services.sending_client(message.account_id) as client:
            return Found(client.write("POST", path, body), asked_at)
    except RateLimited as error:
        services.outbox.finish(message.id, "pending", error=str(error))
        raise
    except PermanentApiError as error:
        services.outbox.finish(message.id, "failed", error=str(error))
        raise MessageNotSent(str(error), "failed") from None
    except TransientApiError as error:
        services.outbox.finish(message.id, "unclear", error=str(error))
        return _found_out(services, message, str(error))


def _found_out(services: Services, message: OutboundMessage, what_happened: str) -> Found:
    """The message, which went out although its answer was unclear. Raises MessageNotSent when it does not show."""
    for seconds in _LOOKS:
        time.sleep(seconds)
        with suppress(TransientApiError):
            if (found := _look_for(services, message)) is not None:
                return found
    raise MessageNotSent(
        f"nobody knows whether the message was sent ({what_happened}); repeat with the same Idempotency-Key: it is "
        f"looked for before it is sent again",
        "unclear",
    )


def _look_for(services: Services, message: OutboundMessage) -> Found | None:
    """The message among those of its conversation: ours by its text, its direction and its time.

    What was here before it was to be sent, or went out under another key, is another message with the same text.
    """
    others = services.outbox.sent_ids(message.account_id, message.conversation_id)
    others |= services.lookup.messages_before(message.account_id, message.conversation_id, message.created_at)
    path, offset = f"/conversations/{message.conversation_id}/messages", 0
    with services.interactive_client(message.account_id) as client:
        while True:
            page = client.page(path, {"limit": _PAGE_LIMIT, "offset": offset, "includeScheduledMessages": 1})
            for row in page.rows:
                if as_int(row.get("id")) not in others and _is_it(row, message):
                    return Found(row, page.read_at or message.created_at)
            offset += len(page.rows)
            if not page.rows or (page.count is not None and offset >= page.count):
                return None


def _is_it(row: Mapping[str, Any], message: OutboundMessage) -> bool:
    written_at = as_instant(row.get("insertedOn")) or as_instant(row.get("date"))
    is_recent = written_at is None or written_at >= message.created_at - _CLOCK_SKEW
    is_same_text = str(row.get("body")).split() == message.body.split()  # whatever becomes of line ends and margins
    return is_same_text and not as_bool(row.get("isIncoming")) and is_recent


def _keep(services: Services, account: Account, message: OutboundMessage, sent: Found) -> None:
    """Store the message at once; a scheduled one shows in the tables when Hostaway has sent it."""
    services.outbox.finish(message.id, "sent", sent_id=as_int(sent.payload.get("id")))
    if sent.payload.get("status") == "sent" and as_int(sent.payload.get("conversationId")) == message.conversation_id:
        _store(services, account, MESSAGES, MESSAGES.row(sent.payload, sent.read_at))


def _store(services: Services, account: Account, entity: Entity, row: Row | None) -> None:
    if row is not None:
        changes = Changes()
        changes.reads[entity.name].append(row)
        for name, counts in services.push_tables(account).apply(changes).items():
            services.telemetry.records_synced("push", name, counts)
