"""Messages that are to be sent through us: one row per idempotency key, with what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Float, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.schema import outbound_messages as table

_UNCLEAR = ("sending", "unclear")


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """`status`: pending, sending (asked and not answered yet), unclear, sent, failed (refused for sure)."""

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
    ids_before: list[int]  # messages that the conversation held before
    age: float | None = field(compare=False)  # seconds since the last attempt, by the database's clock

    @property
    def is_unclear(self) -> bool:
        """Hostaway was asked, and nobody knows what came of it."""
        return self.status in _UNCLEAR

    def is_same_message(self, reservation_id: int, body: str, communication_type: str) -> bool:
        """Whether a repeated key comes with the same message."""
        return (self.reservation_id, self.body, self.communication_type) == (reservation_id, body, communication_type)


_AGE = cast(func.extract("epoch", func.clock_timestamp() - table.c.attempted_at), Float)
_COLUMNS = [_AGE if name == "age" else table.c[name] for name in OutboundMessage.__dataclass_fields__]


class Outbox:
    """Every change is a compare-and-set on the message as its caller has seen it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: str) -> OutboundMessage | None:
        with self._database.transaction() as connection:
            row = connection.execute(select(*_COLUMNS).where(table.c.idempotency_key == key)).one_or_none()
        return None if row is None else OutboundMessage(*row)

    def get(self, message_id: int) -> OutboundMessage | None:
        """None when its account was deleted for good meanwhile."""
        with self._database.transaction() as connection:
            row = connection.execute(select(*_COLUMNS).where(table.c.id == message_id)).one_or_none()
        return None if row is None else OutboundMessage(*row)

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
        """The row of this key: a new one, or the one of whoever came first."""
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
            connection.execute(statement)
            return OutboundMessage(*connection.execute(select(*_COLUMNS).where(table.c.idempotency_key == key)).one())

    def others(self, message: OutboundMessage) -> list[OutboundMessage]:
        """What else was to be sent to the same conversation through us."""
        same = (table.c.account_id == message.account_id) & (table.c.conversation_id == message.conversation_id)
        with self._database.transaction() as connection:
            rows = connection.execute(select(*_COLUMNS).where(same, table.c.id != message.id))
            return [OutboundMessage(*row) for row in rows]

    def hold(self, seen: OutboundMessage, seconds: float, lease: datetime | None = None) -> datetime | None:
        """A lease, or a longer one, for whoever is to send this message; None when another holds it.

        It spares turns, no more: the fence is `begin`.
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
        """The fence: who gets the message may ask Hostaway to send it, once. None for everybody else.

        Durable before Hostaway is asked: whoever finds it later knows that it may have been sent.
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
            return OutboundMessage(*connection.execute(select(*_COLUMNS).where(table.c.id == seen.id)).one())

    def record_outcome(self, seen: OutboundMessage, status: str, error: str) -> None:
        """What came of an attempt, or kept it from its beginning."""
        self._change(seen, {"status": status, "error": error, "claimed_until": None})

    def take_back(self, begun: OutboundMessage, before: OutboundMessage, error: str) -> OutboundMessage | None:
        """The attempt was surely not accepted: the message is what it was before. None when somebody settled it."""
        status = "unclear" if before.is_unclear else "pending"
        values = {"status": status, "attempted_at": before.attempted_at, "error": error, "claimed_until": None}
        self._change(begun, values)
        now = self.get(begun.id)
        return now if now is not None and (now.status, now.attempts) == (status, begun.attempts) else None

    def record_sent(self, message: OutboundMessage, sent_id: int) -> OutboundMessage:
        """Hostaway said so. That outdoes another key's claim of the same message, which was a guess by its text."""
        guess = (table.c.account_id == message.account_id) & (table.c.message_id == sent_id)
        with self._database.transaction() as connection:
            lost = {"status": "unclear", "message_id": None, "sent_at": None}
            connection.execute(update(table).where(guess, table.c.id != message.id).values(**lost))
            connection.execute(update(table).where(table.c.id == message.id).values(**_sent_as(sent_id)))
            return OutboundMessage(*connection.execute(select(*_COLUMNS).where(table.c.id == message.id)).one())

    def claim(self, message: OutboundMessage, sent_id: int) -> OutboundMessage | None:
        """It was found at Hostaway. None when another key has claimed that one, or this message is settled."""
        is_open = table.c.status.in_(_UNCLEAR)
        try:
            with self._database.transaction() as connection:
                claimed = update(table).where(table.c.id == message.id, is_open).values(**_sent_as(sent_id))
                row = connection.execute(claimed.returning(*_COLUMNS)).one_or_none()
        except IntegrityError:
            return None
        return None if row is None else OutboundMessage(*row)

    def _change(self, seen: OutboundMessage, values: dict[str, Any]) -> None:
        with self._database.transaction() as connection:
            connection.execute(update(table).where(*_as_seen(seen)).values(**values))


def _as_seen(seen: OutboundMessage) -> tuple[Any, ...]:
    return table.c.id == seen.id, table.c.status == seen.status, table.c.attempts == seen.attempts


def _sent_as(sent_id: int) -> dict[str, Any]:
    return {"status": "sent", "message_id": sent_id, "sent_at": func.now(), "error": None, "claimed_until": None}
