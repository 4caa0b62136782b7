"""Stores the messages that are sent through us: one row per idempotency key, with its status.

sync/sending/ decides when to send; this module lets only one sender pass (`begin`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Float, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from hostaway_pipeline.domain.erasure import CONVERSATION, RESERVATION
from hostaway_pipeline.domain.guests import Identifier
from hostaway_pipeline.errors import MessageNotSent
from hostaway_pipeline.store.database import Database, driver, query, values_of
from hostaway_pipeline.store.schema import outbound_messages as table
from hostaway_pipeline.store.suppression import Erased, Suppression

_UNCLEAR = ("sending", "unclear")
_OPEN = ("pending", *_UNCLEAR)


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """`status`: pending, sending (requested, no answer yet), unclear, sent, failed (certainly refused)."""

    id: int
    account_id: int
    reservation_id: int
    conversation_id: int
    body: str
    communication_type: str
    status: str
    attempts: int
    attempted_at: datetime | None
    message_id: int | None
    error: str | None
    ids_before: list[int]  # messages in the conversation before the first unclear attempt
    age: float | None = field(compare=False)  # seconds since the last attempt, by the database's clock

    @property
    def is_unclear(self) -> bool:
        """Whether Hostaway may or may not have sent it."""
        return self.status in _UNCLEAR

    def is_same_message(self, reservation_id: int, body: str, communication_type: str) -> bool:
        """Whether a request that repeats the key carries the same message."""
        return (self.reservation_id, self.body, self.communication_type) == (reservation_id, body, communication_type)


_AGE = cast(func.extract("epoch", func.clock_timestamp() - table.c.attempted_at), Float)
_COLUMNS = [_AGE if name == "age" else table.c[name] for name in OutboundMessage.__dataclass_fields__]


class Outbox:
    """Changes are compare-and-set on the message as the caller saw it: `seen` must still be stored."""

    def __init__(self, database: Database, suppression: Suppression | None = None) -> None:
        self._database = database
        self._suppression = suppression

    def find(self, key: str) -> OutboundMessage | None:
        with self._database.transaction() as connection:
            row = connection.execute(select(*_COLUMNS).where(table.c.idempotency_key == key)).one_or_none()
        return None if row is None else OutboundMessage(*values_of(row))

    def get(self, message_id: int) -> OutboundMessage | None:
        """None when its account has been deleted with its rows."""
        with self._database.transaction() as connection:
            row = connection.execute(select(*_COLUMNS).where(table.c.id == message_id)).one_or_none()
        return None if row is None else OutboundMessage(*values_of(row))

    def add(
        self,
        key: str,
        *,
        account_id: int,
        reservation_id: int,
        conversation_id: int,
        body: str,
        communication_type: str,
    ) -> OutboundMessage:
        """Insert a message unless its idempotency key exists; returns the stored one either way.

        Raises MessageNotSent (`erased`) when the guest was erased.
        """
        values = {
            "idempotency_key": key,
            "account_id": account_id,
            "reservation_id": reservation_id,
            "conversation_id": conversation_id,
            "body": body,
            "communication_type": communication_type,
            "status": "pending",
        }
        statement = insert(table).values(values).on_conflict_do_nothing(index_elements=[table.c.idempotency_key])
        with self._database.transaction() as connection:
            if self._suppression is not None:
                erased = self._suppression.erased_of(driver(connection).cursor(), account_id)
                _refuse_erased(erased, reservation_id, conversation_id)
            connection.execute(statement)
            return OutboundMessage(
                *values_of(connection.execute(select(*_COLUMNS).where(table.c.idempotency_key == key)).one())
            )

    def others(self, message: OutboundMessage) -> list[OutboundMessage]:
        """The other messages to the same conversation."""
        same = (table.c.account_id == message.account_id) & (table.c.conversation_id == message.conversation_id)
        with self._database.transaction() as connection:
            rows = connection.execute(select(*_COLUMNS).where(same, table.c.id != message.id))
            return [OutboundMessage(*values_of(row)) for row in rows]

    def hold(self, seen: OutboundMessage, seconds: float, lease: datetime | None = None) -> datetime | None:
        """Take or extend the lease on sending this message; returns its end, or None while another process holds it.

        The lease only saves send slots; `begin` is the fence.
        """
        is_free = or_(
            table.c.claimed_until.is_(None),
            table.c.claimed_until <= func.clock_timestamp(),
            table.c.claimed_until == lease,
        )
        until = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        statement = update(table).where(*_as_seen(seen), is_free).values(claimed_until=until)
        with self._database.transaction() as connection:
            return connection.execute(statement.returning(table.c.claimed_until)).scalar_one_or_none()

    def begin(self, seen: OutboundMessage, ids_before: set[int], *, patience: float) -> OutboundMessage | None:
        """The fence: the caller who gets the message may ask Hostaway to send it, once; all others get None.

        The attempt is durable before the request: a later process knows that the message may have been sent.
        """
        values = {
            "id": seen.id,
            "status": seen.status,
            "attempts": seen.attempts,
            "ids_before": sorted(ids_before),
            "patience": patience,
        }
        with self._database.transaction() as connection:
            has_passed = driver(connection).execute(query("begin_attempt"), values).fetchone() is not None
            if not has_passed:
                return None
            return OutboundMessage(*values_of(connection.execute(select(*_COLUMNS).where(table.c.id == seen.id)).one()))

    def record_outcome(self, seen: OutboundMessage, status: str, error: str) -> None:
        """Record how an attempt ended, or why none could begin."""
        self._change(seen, {"status": status, "error": error, "claimed_until": None})

    def take_back(self, begun: OutboundMessage, before: OutboundMessage, error: str) -> OutboundMessage | None:
        """Undo an attempt that Hostaway certainly refused; None when another process changed the message meanwhile."""
        status = "unclear" if before.is_unclear else "pending"
        values = {"status": status, "attempted_at": before.attempted_at, "error": error, "claimed_until": None}
        self._change(begun, values)
        now = self.get(begun.id)
        return now if now is not None and (now.status, now.attempts) == (status, begun.attempts) else None

    def record_sent(self, message: OutboundMessage, sent_id: int) -> OutboundMessage:
        """Record the id that Hostaway answered with.

        It overrides the claim of another key to the same message, which was a guess by its text.
        """
        guess = (table.c.account_id == message.account_id) & (table.c.message_id == sent_id)
        with self._database.transaction() as connection:
            lost = {"status": "unclear", "message_id": None, "sent_at": None}
            connection.execute(update(table).where(guess, table.c.id != message.id).values(**lost))
            connection.execute(update(table).where(table.c.id == message.id).values(**_sent_as(sent_id)))
            return OutboundMessage(
                *values_of(connection.execute(select(*_COLUMNS).where(table.c.id == message.id)).one())
            )

    def claim(self, message: OutboundMessage, sent_id: int) -> OutboundMessage | None:
        """Record a message that was found at Hostaway; None when another key has it, or this one is not unclear."""
        is_open = table.c.status.in_(_UNCLEAR)
        try:
            with self._database.transaction() as connection:
                claimed = update(table).where(table.c.id == message.id, is_open).values(**_sent_as(sent_id))
                row = connection.execute(claimed.returning(*_COLUMNS)).one_or_none()
        except IntegrityError:
            return None
        return None if row is None else OutboundMessage(*values_of(row))

    def open_messages(self) -> dict[str, int]:
        """How many messages of the last day are neither known to be sent nor refused, by status."""
        with self._database.unsynced() as cursor:
            rows = cursor.execute(query("open_messages")).fetchall()
        return dict.fromkeys(_OPEN, 0) | {str(status): int(number) for status, number in rows}

    def _change(self, seen: OutboundMessage, values: dict[str, Any]) -> None:
        with self._database.transaction() as connection:
            connection.execute(update(table).where(*_as_seen(seen)).values(**values))


def _as_seen(seen: OutboundMessage) -> tuple[Any, ...]:
    return table.c.id == seen.id, table.c.status == seen.status, table.c.attempts == seen.attempts


def _sent_as(sent_id: int) -> dict[str, Any]:
    return {"status": "sent", "message_id": sent_id, "sent_at": func.now(), "error": None, "claimed_until": None}


def _refuse_erased(erased: Erased | None, reservation_id: int, conversation_id: int) -> None:
    named = [Identifier(RESERVATION, str(reservation_id)), Identifier(CONVERSATION, str(conversation_id))]
    if erased is not None and erased(named):
        raise MessageNotSent("this guest was erased: what is written to the guest may not be stored", "erased")
