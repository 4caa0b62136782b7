"""Stores webhook events, claims them for the drainer, records their outcomes, and lists them for people.

domain/events.py parses deliveries; store/copy/push_writer.py applies events to the tables.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg
from psycopg import DataError, IntegrityError
from psycopg.rows import dict_row
from sqlalchemy import Connection, func, select, update

from hostaway_pipeline.domain.events import Delivery, without_erased_guest
from hostaway_pipeline.domain.vocabulary import EventStatus
from hostaway_pipeline.errors import DatabaseConflict, DatabaseUnavailable, EventRejected
from hostaway_pipeline.store.database import Database, driver, query
from hostaway_pipeline.store.schema import webhook_events
from hostaway_pipeline.store.suppression import Suppression

# Attempts after which an event stays failed; `hostaway events replay` makes it pending again.
MAX_ATTEMPTS = 5
_FIRST_WAIT, _MAX_WAIT = 5.0, 600.0  # exponential backoff between attempts, in seconds


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """An event that this drainer holds until it records an outcome or ends. `attempts`: failures so far."""

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
    """What became of a claimed event.

    Pending with `is_attempt`: the event failed by its own fault, and is retried up to MAX_ATTEMPTS times. Pending with
    `again_in` seconds: it waits for something else.
    """

    id: int
    status: EventStatus
    error: str | None = None
    again_in: float | None = None
    is_attempt: bool = False


@dataclass(frozen=True, slots=True)
class InboxState:
    """Numbers of events. `claimable`: pending and free now. `claimed`: held by a drainer, which may have died.

    `oldest_pending_seconds` is None when nothing is pending.
    """

    pending: int
    failed: int
    claimable: int
    claimed: int
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
    """The inbox of all accounts. Only the holder of the drainer lock (locks.py) claims, begins and releases events."""

    def __init__(self, database: Database, suppression: Suppression | None = None) -> None:
        self._database = database
        self._suppression = suppression

    def accept(self, deliveries: Sequence[tuple[Delivery, str]]) -> int:
        """Store deliveries, each with its request id, durably; returns how many were not repetitions.

        No object may be named twice. Raises DatabaseConflict when another transaction has locked an account's row,
        DatabaseUnavailable, or EventRejected when Postgres cannot store them.
        """
        text = orjson.dumps([_as_record(delivery, request_id) for delivery, request_id in deliveries]).decode()
        try:
            stored, withheld = self._accept(text)
        except DatabaseConflict:
            raise
        except DatabaseUnavailable:
            # The pooled connection may have been closed by a restart. If the statement took effect, this repeats it.
            stored, withheld = self._accept(text)
        if withheld:
            stored += self._accept_without_guests([deliveries[position - 1] for position in withheld])
        return stored

    def claim(self, limit: int, *, has_failed: bool = False) -> list[ClaimedEvent]:
        """Claim the oldest claimable events. `has_failed`: only those that failed before; otherwise only the others."""
        values = {"limit": limit, "has_failed": has_failed}
        with self._database.autocommit() as connection:
            rows = driver(connection).cursor(row_factory=dict_row).execute(query("claim_events"), values).fetchall()
        claimed = (ClaimedEvent(**row | {"payload": orjson.loads(row["payload"])}) for row in rows)
        return sorted(claimed, key=lambda event: event.id)

    def release(self, *, has_died: bool) -> None:
        """Release every claimed event; the drainer lock proves that no other drainer is alive.

        `has_died`: a dead drainer claimed them, and an event in work counts as an attempt: it may have been the cause.
        """
        values = {"has_died": has_died, "most_attempts": MAX_ATTEMPTS}
        self._database.run(lambda connection: driver(connection).cursor().execute(query("release_events"), values))

    def begin(self, ids: Sequence[int]) -> None:
        """Mark held events as in work, durably, before the work goes on."""
        self._database.run(lambda connection: _mark_begun(connection, ids, func.clock_timestamp()))

    def record_outcomes(self, outcomes: Sequence[EventOutcome]) -> None:
        self._database.run(lambda connection: record_outcomes(connection, outcomes))

    def state(self) -> InboxState:
        """Counts for the sensor and for /metrics."""
        with self._database.autocommit() as connection:
            row = driver(connection).cursor().execute(query("inbox_state")).fetchone()
        assert row is not None  # noqa: S101 (an aggregate always returns one row)
        return InboxState(*row)

    def newest(
        self, *, account_id: int | None = None, status: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Events, newest first, without their payloads; `before` is the last id of the page before."""
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
        """Make events pending again: those with these ids, or all failed ones. Ignored events stay ignored."""
        events = webhook_events.c
        chosen = events.status == "failed" if failed else events.id.in_(list(ids)) & (events.status != "ignored")
        if account_id is not None:
            chosen &= events.account_id == account_id
        values = {"status": "pending", "attempts": 0, "error": None, "applied_at": None}
        values |= {"claimed_at": None, "begun_at": None, "retry_at": None}
        with self._database.transaction() as connection:
            return connection.execute(update(webhook_events).where(chosen).values(**values)).rowcount

    def _accept(self, text: str) -> tuple[int, list[int]]:
        """Returns how many were stored, and the positions of those that may name an erased guest: see the query."""
        with self._database.statement() as cursor:
            return _execute_accept(cursor, {"deliveries": text, "are_checked": self._suppression is None})

    def _accept_without_guests(self, deliveries: Sequence[tuple[Delivery, str]]) -> int:
        """Store deliveries of accounts that have erased guests."""
        suppression = self._suppression
        assert suppression is not None  # noqa: S101 (nothing is withheld without a list)

        def accept(connection: Connection) -> int:
            cursor = driver(connection).cursor()
            accounts = {delivery.account_id for delivery, _ in deliveries}
            erased = {account_id: suppression.erased_of(cursor, account_id) for account_id in accounts}
            records = [
                _as_record(without_erased_guest(delivery, erased[delivery.account_id]), request_id)
                for delivery, request_id in deliveries
            ]
            values = {"deliveries": orjson.dumps(records).decode(), "are_checked": True}
            return _execute_accept(cursor, values)[0]

        return self._database.run(accept)


def _execute_accept(cursor: psycopg.Cursor[Any], values: Mapping[str, Any]) -> tuple[int, list[int]]:
    try:
        row = cursor.execute(query("accept_events"), values, prepare=True).fetchone()
    except (DataError, IntegrityError) as error:  # other errors are transient: Hostaway retries
        raise EventRejected(f"Postgres cannot store this ({type(error).__name__})") from None
    assert row is not None  # noqa: S101 (an aggregate always returns one row)
    return int(row[0]), row[1] or []


def record_outcomes(connection: Connection, outcomes: Sequence[EventOutcome]) -> None:
    """Record outcomes in the caller's transaction, so that tables and inbox never disagree."""
    if not outcomes:
        return
    values = {
        "ids": [outcome.id for outcome in outcomes],
        "statuses": [outcome.status for outcome in outcomes],
        "errors": [outcome.error for outcome in outcomes],
        "again_in": [outcome.again_in for outcome in outcomes],
        "is_attempt": [outcome.is_attempt for outcome in outcomes],
        "most_attempts": MAX_ATTEMPTS,
        "first_wait": _FIRST_WAIT,
        "longest_wait": _MAX_WAIT,
    }
    driver(connection).cursor().execute(query("record_outcomes"), values)


def hold_events(connection: Connection, ids: Sequence[int]) -> None:
    """Keep events claimed while they wait for a read: not in work, they are not blamed when the process dies."""
    _mark_begun(connection, ids, None)


def _mark_begun(connection: Connection, ids: Sequence[int], begun_at: Any) -> None:
    if ids:
        chosen = webhook_events.c.id == func.any(list(ids))
        connection.execute(update(webhook_events).where(chosen).values(begun_at=begun_at))


def _as_record(delivery: Delivery, request_id: str) -> dict[str, Any]:
    return {
        "account_id": delivery.account_id,
        "event": delivery.event,
        "object": delivery.object,
        "object_id": delivery.object_id,
        "payload": orjson.Fragment(delivery.payload),
        "fingerprint": delivery.fingerprint.hex(),
        "request_id": request_id,
        "status": "ignored" if delivery.ignore_reason else "pending",
        "error": delivery.ignore_reason,
    }
