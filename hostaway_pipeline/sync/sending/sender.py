"""Sends one caller's message: takes the lease, waits for the turn, looks, passes the fence, posts."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

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
from hostaway_pipeline.store.copy.push_writer import ChangeSet, PushWriter
from hostaway_pipeline.store.outbox import OutboundMessage
from hostaway_pipeline.store.telemetry import Telemetry
from hostaway_pipeline.sync.sending.doubt import busy, in_doubt, taken_over
from hostaway_pipeline.sync.sending.recognise import matching_message, read_conversation

# Seconds beyond its turn for which a sender keeps other callers from queueing; the fence does not rely on it.
_LEASE = 10.0
_MAX_REFUSALS = 3

log = structlog.get_logger(__name__)


class Sender:
    """Sends a message that Hostaway never accepted, or that may be sent again. For one call of `send`."""

    def __init__(self, services: Services, account: Account, message: OutboundMessage) -> None:
        self._services = services
        self._account = account
        self._seen = message  # its state without this caller's attempt
        self._attempt: OutboundMessage | None = None  # the message since it has passed the fence
        self._ids_before: set[int] = set()
        self._lease: datetime | None = None

    def send(self) -> OutboundMessage:
        """Send the message; return it as sent or unclear.

        Raises MessageNotSent (`failed`, `busy`); any other error means that nothing was sent.
        """
        for refusals in range(1, _MAX_REFUSALS + 1):
            try:
                self._await_turn()
                found = self._find()
                return self._post() if found is None else found
            except ApiError as error:
                with self._doubt():
                    message = self._record_failure(error, is_last=refusals == _MAX_REFUSALS)
                if message is not None:
                    return message
        raise AssertionError  # the last refusal returns or raises

    def _await_turn(self) -> None:
        self._hold(_LEASE)
        self._services.await_send_turn(self._seen.account_id, self._wait)

    def _wait(self, seconds: float) -> None:
        self._hold(seconds + _LEASE)
        self._services.sleep(seconds)

    def _hold(self, seconds: float) -> None:
        """Take or extend the lease. Raises MessageNotSent (`busy`) when another caller has it."""
        self._lease = self._services.outbox.hold(self._seen, seconds, self._lease)
        if self._lease is None:
            raise busy("this message is being sent right now")

    def _find(self) -> OutboundMessage | None:
        """Read the conversation as late as possible: an unclear message may have arrived while it waited."""
        services, seen = self._services, self._seen
        with services.interactive_client(seen.account_id) as client:
            held = read_conversation(client, seen.conversation_id)
        if seen.is_unclear:
            match = matching_message(held, seen, services.outbox.others(seen))
            if match is not None:
                return _require(claim_found(services, self._account, seen, *match))
        # Stored ids count too: an old message that this answer lacks must not pass for a new one later.
        self._ids_before = held.keys() | services.lookup.message_ids(seen.account_id, seen.conversation_id)
        return None

    def _post(self) -> OutboundMessage:
        services, seen = self._services, self._seen
        path = messages_path(seen.conversation_id)
        body = {"body": seen.body, "communicationType": seen.communication_type}
        with services.sending_client(seen.account_id) as client:
            payload = client.write("POST", path, body, before_sending=self._pass_fence)
        sent_id = as_int(payload.get("id"))
        if self._attempt is None or sent_id is None or self._attempt.attempted_at is None:
            raise GarbledBody(f"POST {path}: the answer names no message")
        with self._doubt():
            message = services.outbox.record_sent(self._attempt, sent_id)
        writer = services.push_writer(self._account)
        _store_sent(writer, services.telemetry, message, ApiObject(payload, self._attempt.attempted_at))
        return message

    def _pass_fence(self) -> None:
        """Called right before each request. If there was one before it, its token was refused."""
        if self._attempt is not None:
            with self._doubt():
                self._take_back(self._attempt, "Hostaway refused the token")
        patience = self._services.settings.send_patience
        self._attempt = self._services.outbox.begin(self._seen, self._ids_before, patience=patience)
        if self._attempt is None:
            raise taken_over()

    def _record_failure(self, error: ApiError, *, is_last: bool) -> OutboundMessage | None:
        """Record what the message is after this error; None when it is to be tried again.

        Raises MessageNotSent or the error itself when nothing was sent.
        """
        outbox, is_refused = self._services.outbox, isinstance(error, PermanentApiError | RateLimited)
        if self._attempt is not None and not is_refused:
            outbox.record_outcome(self._attempt, "unclear", str(error))
            return _require(outbox.get(self._seen.id))
        if self._attempt is not None:
            self._take_back(self._attempt, str(error))
            if isinstance(error, RateLimited) and not is_last:
                return None
        is_failed = isinstance(error, PermanentApiError) and not self._seen.is_unclear
        outbox.record_outcome(self._seen, "failed" if is_failed else self._seen.status, str(error))
        if is_failed:
            raise MessageNotSent(str(error), "failed") from None
        if not self._seen.is_unclear:
            raise error
        return _require(outbox.get(self._seen.id))

    def _take_back(self, attempt: OutboundMessage, reason: str) -> None:
        self._seen = _require(self._services.outbox.take_back(attempt, self._seen, reason))
        self._attempt = None

    def _doubt(self) -> AbstractContextManager[None]:
        """For what follows a request: without the database its outcome cannot be recorded."""
        message = self._attempt or self._seen
        if not message.is_unclear:
            return nullcontext()
        return in_doubt(message, patience=self._services.settings.send_patience)


def claim_found(
    services: Services, account: Account, message: OutboundMessage, sent_id: int, found: ApiObject
) -> OutboundMessage | None:
    """Mark the message as sent, being the one found at Hostaway. None when another key has claimed that one."""
    claimed = services.outbox.claim(message, sent_id)
    if claimed is not None:
        _store_sent(services.push_writer(account), services.telemetry, claimed, found)
    return claimed


def store_read(writer: PushWriter, telemetry: Telemetry, entity: Entity, row: Row | None) -> None:
    """Merge a row that was read from Hostaway."""
    if row is not None:
        changes = ChangeSet()
        changes.reads[entity.name].append(row)
        for name, counts in writer.apply(changes).items():
            telemetry.record_counts("push", name, counts)


def _store_sent(writer: PushWriter, telemetry: Telemetry, message: OutboundMessage, sent: ApiObject) -> None:
    """Store the message at once, unless Hostaway has only scheduled it.

    A failure here does not unsend it: what cannot be stored now comes with the next sync.
    """
    if sent.payload.get("status") == "sent" and as_int(sent.payload.get("conversationId")) == message.conversation_id:
        try:
            store_read(writer, telemetry, MESSAGES, MESSAGES.row(sent.payload, sent.read_at))
        except PipelineError as error:
            log.warning("a sent message is not in the tables yet", message=message.id, error=str(error))


def _require(message: OutboundMessage | None) -> OutboundMessage:
    """Raises MessageNotSent (`busy`) when another caller with the same key was faster."""
    if message is None:
        raise taken_over()
    return message
