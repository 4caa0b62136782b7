"""Python and merge.sql both decide which content is newer and whether it changes anything: they must never disagree."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest

from hostaway_pipeline.domain.clocks import Version, is_newer
from hostaway_pipeline.domain.entities import RESERVATIONS, Row
from hostaway_pipeline.store.copy.merge import Owner, merge
from hostaway_pipeline.store.copy.staging import merge_staged, stage
from hostaway_pipeline.store.database import Database, driver
from tests.factories import rows

CUSTOMER, TRUST = UUID(int=7), timedelta(seconds=300)
START = datetime(2026, 6, 5, 12, tzinfo=UTC)
SECONDS = (None, 0, 10, 400)


def at(second: int | None) -> datetime | None:
    return None if second is None else START + timedelta(seconds=second)


def a_row(number: int, said: int | None, read: int | None, *, status: str = "incoming", is_ahead: bool = False) -> Row:
    made = RESERVATIONS.row({"id": number, "status": status})
    assert made is not None
    return replace(made, source_updated_at=at(said), read_at=at(read), is_ahead=is_ahead)


@pytest.mark.parametrize("proven", [None, 5, 390])
@pytest.mark.parametrize("is_read", [True, False], ids=["read", "event"])
def test_sql_and_python_agree_on_what_is_newer(
    database: Database, database_url: str, is_read: bool, proven: int | None
) -> None:
    add_account(database_url, 1)
    rows(
        database_url,
        "INSERT INTO hostaway.sweeps (account_id, entity, started_at, finished_at, is_complete, seen_count, "
        "table_count, held_back, proven_at) VALUES (1, 'reservations', now(), now(), true, 0, 0, 0, %s) RETURNING 1",
        at(proven),
    )
    cases = list(enumerate(product(SECONDS, SECONDS, SECONDS, SECONDS, (False, True)), start=1))
    with psycopg.connect(database_url) as connection:
        connection.cursor().executemany(
            "INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash, status, "
            "source_updated_at, read_at, deleted_at) VALUES (1, %s, %s, '{}', 'x', 'stored', %s, %s, %s)",
            [
                (number, CUSTOMER, at(said), at(read), START if is_deleted else None)
                for number, (_, _, said, read, is_deleted) in cases
            ],
        )
    incoming = [a_row(number, said, read) for number, (said, read, *_) in cases]
    merge_unfiltered(database, 1, incoming, is_read=is_read)
    found = {row["id"] for row in rows(database_url, "SELECT id FROM hostaway.reservations WHERE status = 'incoming'")}
    wanted = {
        number
        for number, (said, read, stored_said, stored_read, is_deleted) in cases
        if is_newer(
            Version(at(said), at(read)),
            Version(at(stored_said), _latest(at(stored_read), at(proven)), is_deleted),
            is_read=is_read,
            trust=TRUST,
        )
    }
    assert found == wanted
    assert 0 < len(found) < len(cases)


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "event"])
def test_what_python_holds_back_sql_would_not_change_either(
    database: Database, database_url: str, is_read: bool
) -> None:
    """Account 1 gets rows by `merge`, which asks `would_write`; account 2 all of them, so that merge.sql decides."""
    times = list(product((None, 0, 10), (None, 0, 10), (0, 400), (0, 400)))
    states = list(product(("stored", "incoming"), (False, True), (None, 5, 500), (False, True)))
    cases = list(enumerate(product(times, states), start=1))
    incoming: list[Row] = []
    with psycopg.connect(database_url) as connection:
        for account_id in (1, 2):
            connection.execute("INSERT INTO hostaway.accounts (account_id) VALUES (%s)", (account_id,))
        for number, ((said, stored_said, read, stored_read), (status, is_deleted, unsettled, is_ahead)) in cases:
            incoming.append(a_row(number, None if is_ahead else said, read, is_ahead=is_ahead))
            kept = a_row(number, stored_said, stored_read, status=status)
            values = (number, CUSTOMER, kept.payload, kept.content_hash, status, kept.source_updated_at, kept.read_at)
            for account_id in (1, 2):
                connection.execute(
                    "INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash, "
                    "status, source_updated_at, read_at, unsettled_at, deleted_at, updated_at) "
                    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '2026-01-01')",
                    (account_id, *values, at(unsettled), START if is_deleted else None),
                )
    with database.transaction() as connection:
        foreseen = merge(connection, RESERVATIONS, incoming, owner(1), is_read=is_read, dry_run=True)
        counts = merge(connection, RESERVATIONS, incoming, owner(1), is_read=is_read)
    unfiltered = merge_unfiltered(database, 2, incoming, is_read=is_read)

    assert shown(database_url, 1) == shown(database_url, 2)
    assert (counts.inserted, counts.updated) == unfiltered
    assert foreseen == counts
    assert 0 < counts.updated < len(cases)


def shown(url: str, account_id: int) -> list[dict[str, Any]]:
    """What analysts see, and whether rows of the incoming content are in doubt: `merge` also marks the others."""
    return rows(
        url,
        "SELECT id, status, raw_payload, content_hash, source_updated_at, deleted_at, "
        "updated_at > '2026-01-01' AS has_moved, "
        "CASE WHEN status = 'incoming' THEN unsettled_at IS NOT NULL END AS is_in_doubt "
        "FROM hostaway.reservations WHERE account_id = %s ORDER BY id",
        account_id,
    )


def merge_unfiltered(database: Database, account_id: int, incoming: list[Row], *, is_read: bool) -> tuple[int, int]:
    with database.transaction() as connection:
        cursor = driver(connection).cursor()
        stage(cursor, RESERVATIONS, incoming, is_read=is_read)
        new, changed = merge_staged(cursor, RESERVATIONS, account_id, CUSTOMER, TRUST, is_read=is_read)
        return len(new), len(changed)


def owner(account_id: int) -> Owner:
    return Owner(account_id, CUSTOMER, TRUST)


def add_account(url: str, account_id: int) -> None:
    rows(url, "INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING 1", account_id)


def _latest(*instants: datetime | None) -> datetime | None:
    return max((one for one in instants if one is not None), default=None)
