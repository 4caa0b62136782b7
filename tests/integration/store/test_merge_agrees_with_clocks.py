"""Which content is newer is decided twice, in domain/clocks.py and in merge.sql: the two must never disagree."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from hostaway_pipeline.domain.clocks import Version, is_newer
from hostaway_pipeline.domain.entities import RESERVATIONS, Row
from hostaway_pipeline.store.copy.stage import merge_staged, stage
from hostaway_pipeline.store.database import Database, driver
from tests.factories import rows

ACCOUNT, CUSTOMER, TRUST = 1, UUID(int=7), timedelta(seconds=300)
START = datetime(2026, 6, 5, 12, tzinfo=UTC)
SECONDS = (None, 0, 10, 400)


def at(second: int | None) -> datetime | None:
    return None if second is None else START + timedelta(seconds=second)


def a_row(number: int, said: int | None, read: int | None) -> Row:
    made = RESERVATIONS.row({"id": number, "status": "incoming"})
    assert made is not None
    return Row(number, made.payload, made.content_hash, at(said), made.values, at(read), made.keys)


@pytest.mark.parametrize("proven", [None, 5, 390])
@pytest.mark.parametrize("is_read", [True, False], ids=["read", "event"])
def test_sql_and_python_agree(database: Database, database_url: str, is_read: bool, proven: int | None) -> None:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1) RETURNING 1")
    rows(
        database_url,
        "INSERT INTO hostaway.sweeps (account_id, entity, started_at, finished_at, is_complete, seen_count, "
        "table_count, held_back, proven_at) VALUES (1, 'reservations', now(), now(), true, 0, 0, 0, %s) RETURNING 1",
        at(proven),
    )
    cases = list(enumerate(product(SECONDS, SECONDS, SECONDS, SECONDS, (False, True)), start=1))
    for number, (_, _, said, read, is_deleted) in cases:
        rows(
            database_url,
            "INSERT INTO hostaway.reservations (account_id, id, customer_id, raw_payload, content_hash, status, "
            "source_updated_at, read_at, deleted_at) VALUES (1, %s, %s, '{}', 'x', 'stored', %s, %s, %s) RETURNING 1",
            number, CUSTOMER, at(said), at(read), START if is_deleted else None,
        )  # fmt: skip
    incoming = [a_row(number, said, read) for number, (said, read, *_) in cases]
    with database.transaction() as connection:
        cursor = driver(connection).cursor()
        stage(cursor, RESERVATIONS, incoming, is_read=is_read)
        values = {"account_id": ACCOUNT, "customer_id": CUSTOMER, "entity": "reservations", "trust": TRUST}
        merge_staged(cursor, RESERVATIONS, values | {"is_read": is_read})
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


def _latest(*instants: datetime | None) -> datetime | None:
    return max((one for one in instants if one is not None), default=None)
