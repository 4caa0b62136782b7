"""Finds accounts, conversations and messages by the ids of reservations and messages, in the tables only."""

from sqlalchemy import select

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.schema import accounts, conversations, messages, reservations


class Lookup:
    """Look-ups for sending a message to a reservation's guest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts_of_reservation(self, reservation_id: int) -> list[int]:
        """Active accounts that have this reservation; Hostaway's ids should be unique, but no constraint says so."""
        statement = (
            select(reservations.c.account_id)
            .join(accounts, accounts.c.account_id == reservations.c.account_id)
            .where(reservations.c.id == reservation_id, reservations.c.deleted_at.is_(None), accounts.c.is_active)
            .order_by(reservations.c.account_id)
        )
        with self._database.autocommit() as connection:
            return list(connection.execute(statement).scalars())

    def conversation_of_reservation(self, account_id: int, reservation_id: int) -> int | None:
        """The reservation's conversation; of several, the one that the guest wrote to last."""
        c = conversations.c
        newest = select(c.id).where(
            c.account_id == account_id, c.reservation_id == reservation_id, c.deleted_at.is_(None)
        )
        ordered = newest.order_by(c.message_received_at.desc().nulls_last(), c.id.desc()).limit(1)
        with self._database.autocommit() as connection:
            return connection.execute(ordered).scalar_one_or_none()

    def message_ids(self, account_id: int, conversation_id: int) -> set[int]:
        """Ids of all messages of a conversation, including deleted ones."""
        chosen = (messages.c.account_id == account_id) & (messages.c.conversation_id == conversation_id)
        with self._database.autocommit() as connection:
            return set(connection.execute(select(messages.c.id).where(chosen)).scalars())

    def conversation_of_message(self, account_id: int, message_id: int) -> int | None:
        chosen = (messages.c.account_id == account_id) & (messages.c.id == message_id)
        with self._database.autocommit() as connection:
            return connection.execute(select(messages.c.conversation_id).where(chosen)).scalar_one_or_none()
