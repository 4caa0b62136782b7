"""Messages that are to be sent through us: one row per idempotency key, with what became of it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.tables import outbound_messages as table


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """`status`: pending, sending (asked and not answered yet), unclear, sent, failed."""

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
    created_at: datetime

    def is_same_wish(self, reservation_id: int, body: str, communication_type: str) -> bool:
        """Whether a repeated key comes with the same message."""
        return (self.reservation_id, self.body, self.communication_type) == (reservation_id, body, communication_type)


_COLUMNS = [table.c[name] for name in OutboundMessage.__dataclass_fields__]


class Outbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: str) -> OutboundMessage | None:
        with self._database.transaction() as connection:
            row = connection.execute(select(*_COLUMNS).where(table.c.idempotency_key == key)).one_or_none()
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

    def database_time(self) -> datetime:
        with self._database.transaction() as connection:
            now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return now

    def sent_ids(self, account_id: int, conversation_id: int) -> set[int]:
        """Hostaway's ids of the messages that went to a conversation through us."""
        chosen = (table.c.account_id == account_id) & (table.c.conversation_id == conversation_id)
        with self._database.transaction() as connection:
            found = connection.execute(select(table.c.message_id).where(chosen, table.c.message_id.is_not(None)))
            return set(found.scalars())

    def attempt(self, message_id: int) -> datetime:
        """Durable before Hostaway is asked: whoever finds it later knows that it may have been sent. Returns now."""
        values = {"status": "sending", "attempts": table.c.attempts + 1, "attempted_at": func.clock_timestamp()}
        with self._database.transaction() as connection:
            changed = update(table).where(table.c.id == message_id).values(**values).returning(table.c.attempted_at)
            attempted_at: datetime = connection.execute(changed).scalar_one()
        return attempted_at

    def finish(self, message_id: int, status: str, *, sent_id: int | None = None, error: str | None = None) -> None:
        values = {
            "status": status,
            "message_id": sent_id,
            "error": error,
            "sent_at": func.now() if status == "sent" else None,
        }
        with self._database.transaction() as connection:
            connection.execute(update(table).where(table.c.id == message_id).values(**values))
