"""One caller's way to Hostaway with a message: lease, turn, look, slot, fence, request."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import NoReturn

import structlog

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.endpoints import messages_path
from hostaway_pipeline.domain.entities import MESSAGES, Entity, Row
from hostaway_pipeline.domain.values import as_int
from hostaway_pipeline.errors import (
    ApiError,
    GarbledBody,
    MessageNotSent,
    PermanentApiError,
    PipelineError,
    RateLimited,
)
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.store.copy.push_writer import ChangeSet
from hostaway_pipeline.store.outbox import OutboundMessage
from hostaway_pipeline.sync.sending.doubt import busy, in_doubt
from hostaway_pipeline.sync.sending.recognise import read_conversation, recognised

# So many seconds beyond its turn a sender may take, before another caller may get in line; the fence does not care.
_LEASE = 10.0
_MOST_REFUSALS = 3

log = structlog.get_logger(__name__)


class Sender:
    """For a message that was never accepted, or may be sent again. Make one for each call."""

    def __init__(self, services: Services, account: Account, message: OutboundMessage) -> None:
        self._services = services
        self._account = account
        self._seen = message  # as it is apart from this caller's attempt
        self._begun: OutboundMessage | None = None  # the attempt, since it has passed the fence
        self._ids_before: set[int] = set()
        self._lease: datetime | None = None

    def run(self) -> OutboundMessage:
        """The message: sent, or unclear.

        Raises MessageNotSent (`failed`, `busy`); any other error means that nothing was sent.
        """
        for refusals in range(1, _MOST_REFUSALS + 1):
            try:
                return self._found() or self._sent()
            except ApiError as error:
                with self._doubt():
                    settled = self._settled(error, is_last=refusals == _MOST_REFUSALS)
                if settled is not None:
                    return settled
        raise AssertionError  # the last refusal was settled

    def _found(self) -> OutboundMessage | None:
        """Waits for its turn; then looks at what is there, as late as can be: it may have arrived meanwhile."""
        services, seen = self._services, self._seen
        self._hold(_LEASE)
        services.await_send_turn(seen.account_id, self._wait)
        with services.interactive_client(seen.account_id) as client:
            held = read_conversation(client, seen.conversation_id)
        found = recognised(held, seen, services.outbox.others(seen)) if seen.is_unclear else None
        if found is not None:
            return found_again(services, self._account, seen, *found) or self._lost()
        # What the tables know counts too: an answer that lacks an old message makes no new one of it.
        self._ids_before = held.keys() | services.lookup.message_ids(seen.account_id, seen.conversation_id)
        return None

    def _wait(self, seconds: float) -> None:
        self._hold(seconds + _LEASE)
        self._services.sleep(seconds)

    def _hold(self, seconds: float) -> None:
        self._lease = self._services.outbox.hold(self._seen, seconds, self._lease)
        if self._lease is None:
            raise busy("this message is being sent right now")

    def _sent(self) -> OutboundMessage:
        services, seen = self._services, self._seen
        path = messages_path(seen.conversation_id)
        body = {"body": seen.body, "communicationType": seen.communication_type}
        with services.sending_client(seen.account_id) as client:
            payload = client.write("POST", path, body, before_sending=self._pass_fence)
        sent_id = as_int(payload.get("id"))
        if self._begun is None or sent_id is None or self._begun.attempted_at is None:
            raise GarbledBody(f"POST {path}: the answer names no message")
        with self._doubt():
            message = services.outbox.record_sent(self._begun, sent_id)
        _keep(services, self._account, message, ApiObject(payload, self._begun.attempted_at))
        return message

    def _pass_fence(self) -> None:
        """Called right before each request: the one before it, if any, was refused for its token."""
        if self._begun is not None:
            with self._doubt():
                self._take_back("Hostaway refused the token")
        patience = self._services.settings.send_patience
        self._begun = self._services.outbox.begin(self._seen, self._ids_before, patience=patience)
        if self._begun is None:
            self._lost()

    def _settled(self, error: ApiError, *, is_last: bool) -> OutboundMessage | None:
        """What the message is after this error, or None when it is to be tried again. Raises what the caller learns."""
        outbox, is_refused = self._services.outbox, isinstance(error, PermanentApiError | RateLimited)
        if self._begun is not None and not is_refused:
            outbox.record_outcome(self._begun, "unclear", str(error))
            return outbox.get(self._seen.id) or self._lost()
        was_asked = self._begun is not None
        if was_asked:
            self._take_back(str(error))
            if isinstance(error, RateLimited) and not is_last:
                return None
        is_failed = isinstance(error, PermanentApiError) and not self._seen.is_unclear
        outbox.record_outcome(self._seen, "failed" if is_failed else self._seen.status, str(error))
        if is_failed:
            raise MessageNotSent(str(error), "failed") from None
        if not self._seen.is_unclear:
            raise error
        return outbox.get(self._seen.id) or self._lost()

    def _take_back(self, reason: str) -> None:
        assert self._begun is not None  # noqa: S101 (the callers have looked)
        self._seen = self._services.outbox.take_back(self._begun, self._seen, reason) or self._lost()
        self._begun = None

    def _doubt(self) -> AbstractContextManager[None]:
        """For what follows a request: without the database nobody can tell any more what came of it."""
        message = self._begun or self._seen
        return (
            in_doubt(message, patience=self._services.settings.send_patience) if message.is_unclear else nullcontext()
        )

    def _lost(self) -> NoReturn:
        """Another caller with the same key was faster."""
        raise busy("another caller with the same Idempotency-Key has taken this message over")


def found_again(
    services: Services, account: Account, message: OutboundMessage, sent_id: int, found: ApiObject
) -> OutboundMessage | None:
    """The message, sent as the one that was found. None when another key has claimed that one."""
    claimed = services.outbox.claim(message, sent_id)
    if claimed is not None:
        _keep(services, account, claimed, found)
    return claimed


def store(services: Services, account: Account, entity: Entity, row: Row | None) -> None:
    """Into the tables, as what was read at Hostaway."""
    if row is not None:
        changes = ChangeSet()
        changes.reads[entity.name].append(row)
        for name, counts in services.push_writer(account).apply(changes).items():
            services.telemetry.record_counts("push", name, counts)


def _keep(services: Services, account: Account, message: OutboundMessage, sent: ApiObject) -> None:
    """Store the message at once; a scheduled one shows in the tables when Hostaway has sent it.

    It is sent, whatever happens here: what cannot be stored now comes with the next sync.
    """
    if sent.payload.get("status") == "sent" and as_int(sent.payload.get("conversationId")) == message.conversation_id:
        try:
            store(services, account, MESSAGES, MESSAGES.row(sent.payload, sent.read_at))
        except PipelineError as error:
            log.warning("a sent message is not in the tables yet", message=message.id, error=str(error))
