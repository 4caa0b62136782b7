"""The inbox of webhook events: accepting, claiming, settling, and what people ask of it.

How a delivery becomes a value is domain/events.py's; what an event does to the tables is sync/apply.py's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from psycopg import DataError, IntegrityError
from psycopg.rows import dict_row
from sqlalchemy import Connection, delete, func, select, update

from hostaway_pipeline.domain.events import Delivery
from hostaway_pipeline.errors import DatabaseUnavailable, EventRejected
from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.tables import webhook_events, webhook_heads

LEASE_SECONDS = 60
Status = Literal["pending", "applied", "stale", "ignored", "failed"]


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """An event that this process works on until its lease ends."""

    id: int
    account_id: int
    event: str
    object_id: int
    payload: dict[str, Any]
    received_at: datetime
    attempts: int
    request_id: str | None


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What became of a claimed event. `again_in` seconds: it stays pending; `is_blameless`: this was no attempt."""

    id: int
    status: Status
    error: str | None = None
    again_in: float | None = None
    is_blameless: bool = False


@dataclass(frozen=True, slots=True)
class InboxState:
    """`oldest_pending_seconds` is None when nothing is pending; `claimable` may be worked on right now."""

    pending: int
    failed: int
    claimable: int
    oldest_pending_seconds: float | None
    oldest_request_id: str | None


_SHOWN = [
    webhook_events.c[name]
    for name in (
        "id", "account_id", "event", "object", "object_id", "received_at", "status", "attempts", "error", "applied_at",
        "request_id",
    )
]  # fmt: skip


class Inbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, deliveries: Sequence[tuple[Delivery, str]]) -> int:
        """Store deliveries, each with its request id, durably; returns how many were no repetition.

        No object may be named twice. Raises DatabaseUnavailable, or EventRejected when Postgres cannot store them.
        """
        text = orjson.dumps([_as_record(delivery, request_id) for delivery, request_id in deliveries]).decode()
        try:
            return self._accept(text)
        except DatabaseUnavailable:
            # The connection may have died of an earlier restart. If the statement did happen, this repeats it.
            return self._accept(text)

    def claim(self, limit: int) -> list[ClaimedEvent]:
        values = {"limit": limit, "lease": LEASE_SECONDS}
        with self._database.transaction() as connection:
            rows = driver(connection).cursor(row_factory=dict_row).execute(query("claim_events"), values).fetchall()
        claimed = (ClaimedEvent(**row | {"payload": orjson.loads(row["payload"])}) for row in rows)
        return sorted(claimed, key=lambda event: event.id)

    def release(self) -> None:
        """Give back what a dead drainer has claimed. For whoever holds the drainer's lock: no other one is alive."""
        events = webhook_events.c
        claimed = (events.status == "pending") & events.claimed_until.is_not(None)
        with self._database.transaction() as connection:
            connection.execute(update(webhook_events).where(claimed).values(claimed_until=None))

    def settle(self, outcomes: Sequence[EventOutcome]) -> None:
        with self._database.transaction() as connection:
            settle_events(connection, outcomes)

    def state(self) -> InboxState:
        """For the sensor and for /metrics."""
        events = webhook_events.c
        is_pending = events.status == "pending"
        now = func.clock_timestamp()
        is_unclaimed = events.claimed_until.is_(None) | (events.claimed_until <= now)
        is_claimable = is_pending & is_unclaimed & (events.retry_at.is_(None) | (events.retry_at <= now))
        counted = select(
            func.count().filter(is_pending),
            func.count().filter(events.status == "failed"),
            func.count().filter(is_claimable),
        ).where(events.status.in_(("pending", "failed")))
        oldest = (
            select(func.extract("epoch", func.clock_timestamp() - events.received_at), events.request_id)
            .where(is_pending)
            .order_by(events.id)
            .limit(1)
        )
        with self._database.transaction() as connection:
            pending, failed, claimable = connection.execute(counted).one()
            first = connection.execute(oldest).one_or_none()
        age, request_id = (float(first[0]), first[1]) if first else (None, None)
        return InboxState(pending, failed, claimable, age, request_id)

    def newest(
        self, *, account_id: int | None = None, status: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Events, newest first, without their payloads; `before` is the last id of an earlier page."""
        statement = select(*_SHOWN).order_by(webhook_events.c.id.desc()).limit(limit)
        if account_id is not None:
            statement = statement.where(webhook_events.c.account_id == account_id)
        if status is not None:
            statement = statement.where(webhook_events.c.status == status)
        if before is not None:
            statement = statement.where(webhook_events.c.id < before)
        with self._database.transaction() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def replay(self, ids: Collection[int] = (), *, failed: bool = False, account_id: int | None = None) -> int:
        """Make events pending again: those of these ids, or all that failed. Ignored ones stay ignored."""
        events = webhook_events.c
        chosen = events.status == "failed" if failed else events.id.in_(list(ids)) & (events.status != "ignored")
        if account_id is not None:
            chosen &= events.account_id == account_id
        values = {"status": "pending", "attempts": 0, "error": None, "applied_at": None}
        values |= {"claimed_until": None, "retry_at": None}
        with self._database.transaction() as connection:
            return connection.execute(update(webhook_events).where(chosen).values(**values)).rowcount

    def purge(self, *, older_than: timedelta) -> int:
        """Forget settled events of that age, and the heads of objects that had no event since; failed ones stay."""
        limit = func.now() - older_than
        settled = webhook_events.c.status.in_(("applied", "stale", "ignored"))
        with self._database.transaction() as connection:
            connection.execute(delete(webhook_heads).where(webhook_heads.c.received_at < limit))
            return connection.execute(
                delete(webhook_events).where(settled, webhook_events.c.received_at < limit)
            ).rowcount

    def _accept(self, text: str) -> int:
        with self._database.statement() as cursor:
            try:
                found = cursor.execute(query("accept_events"), {"deliveries": text}, prepare=True).fetchone()
            except (DataError, IntegrityError) as error:  # anything else will pass: Hostaway must try again
                raise EventRejected(f"Postgres cannot store this ({type(error).__name__})") from None
        assert found is not None  # noqa: S101 (an aggregate always returns one row)
        return int(found[0])


def settle_events(connection: Connection, outcomes: Sequence[EventOutcome]) -> None:
    """In the caller's transaction, so that tables and inbox never disagree."""
    if not outcomes:
        return
    values = {
        "ids": [outcome.id for outcome in outcomes],
        "statuses": [outcome.status for outcome in outcomes],
        "errors": [outcome.error for outcome in outcomes],
        "again_in": [outcome.again_in for outcome in outcomes],
        "is_blameless": [outcome.is_blameless for outcome in outcomes],
    }
    driver(connection).cursor().execute(query("settle_events"), values)


def _as_record(delivery: Delivery, request_id: str) -> dict[str, Any]:
    return {
        "account_id": delivery.account_id,
        "event": delivery.event,
        "object": delivery.object,
        "object_id": delivery.object_id,
        "payload": orjson.Fragment(delivery.payload),
        "fingerprint": delivery.fingerprint.hex(),
        "request_id": request_id,
        "status": "ignored" if delivery.ignored else "pending",
        "error": delivery.ignored,
    }
