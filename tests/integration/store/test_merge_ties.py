"""Ties: Hostaway's clock has a resolution of a second, so of equal source times the content requested later wins."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from hostaway_pipeline.domain.entities import CONVERSATIONS, MESSAGES, RESERVATIONS, Entity, Row
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.push_writer import ChangeSet, PushWriter
from hostaway_pipeline.store.copy.sweeps import SweepRecord
from hostaway_pipeline.store.copy.threads import Read, Unread
from hostaway_pipeline.store.database import Database
from tests.factories import reservation, rows

CUSTOMER = UUID(int=7)
START = datetime(2026, 6, 5, 12, tzinfo=UTC)
Merge = Callable[[Row], object]


@pytest.fixture
def tables(database: Database, database_url: str) -> PullWriter:
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (1) RETURNING 1")
    return PullWriter(database, Owner(1, CUSTOMER))


@pytest.fixture
def push(database: Database) -> PushWriter:
    return PushWriter(database, Owner(1, CUSTOMER))


@pytest.fixture(params=["pull", "push"])
def merge(request: Any, tables: PullWriter, push: PushWriter) -> Merge:
    """Pull and push use the same merge."""

    def pulled(row: Row) -> object:
        return tables.merge(RESERVATIONS, [row])

    def pushed(row: Row) -> object:
        changes = ChangeSet()
        changes.rows[RESERVATIONS.name].append(row)
        return push.apply(changes)

    return pulled if request.param == "pull" else pushed


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


def row(entity: Entity, payload: dict[str, Any], read_at: datetime | None) -> Row:
    made = entity.row(payload, read_at)
    assert made is not None
    return made


def read(status: str, at: float | None, **changes: Any) -> Row:
    """The row of a reservation requested at that second."""
    return row(RESERVATIONS, reservation(status=status, **changes), None if at is None else second(at))


def message(message_id: int, at: float, **changes: Any) -> Row:
    payload = {"id": message_id, "conversationId": 5, "isIncoming": 1, "status": "sent", "body": "words",
               "date": "2026-06-05 11:59:00", "updatedOn": "2026-06-05 11:59:00", **changes}  # fmt: skip
    return row(MESSAGES, payload, second(at))


def status(url: str) -> str | None:
    """The status of the live reservation, if there is one."""
    found = rows(url, "SELECT status FROM hostaway.reservations WHERE deleted_at IS NULL")
    return found[0]["status"] if found else None


# Equal source times


@pytest.mark.parametrize("order", [("earlier", "later"), ("later", "earlier")])
def test_with_equal_source_times_the_content_requested_later_wins(
    merge: Merge, database_url: str, order: Sequence[str]
) -> None:
    for name in order:
        merge(read(name, {"earlier": 1, "later": 2}[name]))
    assert status(database_url) == "later"


def test_content_requested_earlier_changes_nothing(merge: Merge, database_url: str) -> None:
    merge(read("later", 2))
    before = rows(database_url, "SELECT xmin::text, * FROM hostaway.reservations")
    merge(read("earlier", 1))
    assert rows(database_url, "SELECT xmin::text, * FROM hostaway.reservations") == before


def test_content_requested_at_the_same_moment_is_replaced(merge: Merge, database_url: str) -> None:
    merge(read("first", 1))
    merge(read("second", 1))
    assert status(database_url) == "second"


@pytest.mark.parametrize(("stored_at", "came_at"), [(None, 1), (1, None), (None, None)])
def test_without_a_request_time_the_incoming_content_wins(
    merge: Merge, database_url: str, stored_at: float | None, came_at: float | None
) -> None:
    merge(read("stored", stored_at))
    merge(read("came", came_at))
    assert status(database_url) == "came"


@pytest.mark.parametrize("order", [("earlier", "later"), ("later", "earlier")])
def test_for_objects_without_a_clock_the_content_requested_later_wins(
    merge: Merge, database_url: str, order: Sequence[str]
) -> None:
    for name in order:
        merge(read(name, {"earlier": 1, "later": 2}[name], updatedOn=None, insertedOn=None))
    assert status(database_url) == "later"


def test_hostaways_clock_takes_precedence_over_the_request_time(merge: Merge, database_url: str) -> None:
    merge(read("newer", 1, updatedOn="2026-06-03 10:00:00"))
    merge(read("older", 2, updatedOn="2026-06-02 10:00:00"))
    assert status(database_url) == "newer"


def test_concurrent_merges_end_at_the_content_requested_last(tables: PullWriter, database_url: str) -> None:
    """A lookup before the write may be out of date by then, so the statement itself decides."""
    everybody, rounds = 6, 12
    barrier = Barrier(everybody)

    def merge_all(number: int) -> None:
        for one in range(1, rounds + 1):
            barrier.wait()
            payload = reservation(one, status=f"asked at {number}")
            tables.merge(RESERVATIONS, [row(RESERVATIONS, payload, second(number))])

    with ThreadPoolExecutor(everybody) as pool:
        list(pool.map(merge_all, range(everybody)))
    statuses = rows(database_url, "SELECT DISTINCT status FROM hostaway.reservations")
    assert statuses == [{"status": f"asked at {everybody - 1}"}]


# Tombstones


def swept(tables: PullWriter, asked_at: datetime, *, deleted: set[int], seen: frozenset[int] = frozenset()) -> int:
    record = SweepRecord("reservations", asked_at, True, len(seen), len(seen), 0, None)
    marked, _ = tables.finish_sweep(RESERVATIONS, record, seen=seen, deleted=deleted, asked_at=asked_at)
    return marked


def test_a_page_requested_before_a_tombstone_does_not_restore_the_row(
    merge: Merge, tables: PullWriter, database_url: str
) -> None:
    merge(read("new", 1))
    assert swept(tables, second(3), deleted={1}) == 1
    merge(read("new", 2))
    assert status(database_url) is None


def test_a_page_requested_after_a_tombstone_restores_the_row(
    merge: Merge, tables: PullWriter, database_url: str
) -> None:
    merge(read("new", 1))
    swept(tables, second(3), deleted={1})
    merge(read("new", 4))
    assert status(database_url) == "new"


def test_a_sweep_does_not_delete_a_row_that_came_after_its_request(
    merge: Merge, tables: PullWriter, database_url: str
) -> None:
    merge(read("new", 4))
    assert swept(tables, second(3), deleted={1}) == 0
    assert status(database_url) == "new"


def test_a_404_requested_before_the_row_came_does_not_delete_it(
    merge: Merge, push: PushWriter, database_url: str
) -> None:
    merge(read("new", 4))
    changes = ChangeSet(asked_at=second(3))
    changes.gone[RESERVATIONS.name].add(1)
    assert push.apply(changes) == {}
    assert status(database_url) == "new"


# A webhook while a conversation is read


@pytest.fixture
def conversation(tables: PullWriter) -> Read:
    tables.merge(CONVERSATIONS, [row(CONVERSATIONS, {"id": 5, "messageReceivedOn": "2026-06-05 11:00:00"}, second(0))])
    return Read(Unread(5, None, None), count=1)


def test_a_message_that_came_after_its_conversation_was_requested_is_not_missing(
    tables: PullWriter, push: PushWriter, conversation: Read
) -> None:
    tables.apply_reads([message(1, 1), message(2, 1)], {}, [conversation], asked_at=second(1), synced_at=second(1))
    changes = ChangeSet()
    changes.rows[MESSAGES.name].append(message(3, 5))
    push.apply(changes)
    assert tables.alive_messages([5], second(4)) == {5: {1, 2}}
    assert tables.alive_messages([5], second(5)) == {5: {1, 2, 3}}


def test_such_a_message_is_not_deleted_by_a_read_that_lacks_it(
    tables: PullWriter, push: PushWriter, conversation: Read, database_url: str
) -> None:
    """The read began earlier, and the message arrived between its lookup and its end."""
    tables.apply_reads([message(1, 1)], {}, [conversation], asked_at=second(1), synced_at=second(1))
    changes = ChangeSet()
    changes.rows[MESSAGES.name].append(message(3, 5))
    push.apply(changes)
    counts, _ = tables.apply_reads([], {5: {1, 3}}, [conversation], asked_at=second(4), synced_at=second(4))
    assert counts.deleted == 1
    alive = rows(database_url, "SELECT id FROM hostaway.messages WHERE deleted_at IS NULL")
    assert alive == [{"id": 3}]


def test_a_conversation_whose_marker_a_message_moved_is_read_again(
    tables: PullWriter, push: PushWriter, conversation: Read
) -> None:
    """Until a list shows the conversation itself, its messages are not known to be complete."""
    changes = ChangeSet()
    changes.rows[MESSAGES.name].append(message(3, 5))
    push.apply(changes)
    unread = tables.conversations_to_read(read_before=None, reread_share=0.0)
    assert [one.message_received_at for one in unread] == [datetime(2026, 6, 5, 11, 59, tzinfo=UTC)]


# Counting during a sweep


def counted(url: str) -> int:
    found: int = rows(url, "SELECT table_count FROM hostaway.sweeps WHERE entity = 'reservations'")[0]["table_count"]
    return found


def reservations(*ids: int, at: float) -> list[Row]:
    return [row(RESERVATIONS, reservation(one), second(at)) for one in ids]


def test_rows_that_came_during_a_sweep_are_not_counted_against_it(tables: PullWriter, database_url: str) -> None:
    tables.merge(RESERVATIONS, reservations(1, 2, at=0))
    tables.merge(RESERVATIONS, reservations(3, at=6))
    swept(tables, second(5), deleted=set(), seen=frozenset({1, 2}))
    assert counted(database_url) == 2


def test_rows_that_the_sweep_saw_count_even_if_they_came_or_went_during_it(
    tables: PullWriter, push: PushWriter, database_url: str
) -> None:
    tables.merge(RESERVATIONS, reservations(1, 2, at=-3600))
    tables.merge(RESERVATIONS, reservations(3, at=6))
    rows(database_url, "UPDATE hostaway.reservations SET deleted_at = %s WHERE id = 2 RETURNING 1", second(7))
    swept(tables, second(5), deleted=set(), seen=frozenset({1, 2, 3}))
    assert counted(database_url) == 3


def test_rows_that_the_sweep_should_have_seen_count(tables: PullWriter, database_url: str) -> None:
    """An excess row in the table is what the completeness check must find."""
    tables.merge(RESERVATIONS, reservations(1, 2, 3, at=0))
    swept(tables, second(5), deleted=set(), seen=frozenset({1, 2}))
    assert counted(database_url) == 3


def test_rows_that_were_deleted_before_the_sweep_do_not_count(tables: PullWriter, database_url: str) -> None:
    tables.merge(RESERVATIONS, reservations(1, 2, at=0))
    swept(tables, second(3), deleted={2}, seen=frozenset({1}))
    swept(tables, datetime.now(UTC) + timedelta(seconds=1), deleted=set(), seen=frozenset({1}))
    assert counted(database_url) == 1


def test_a_page_requested_before_a_row_was_found_missing_does_not_restore_it(
    tables: PullWriter, database_url: str
) -> None:
    """Not even with newer content: it was changed first and deleted afterwards."""
    tables.merge(RESERVATIONS, [row(RESERVATIONS, reservation(1), second(0))])
    swept(tables, second(3), deleted={1}, seen=frozenset())
    late = reservation(1, updatedOn="2026-06-05 12:00:01")
    assert tables.merge(RESERVATIONS, [row(RESERVATIONS, late, second(2))]).updated == 0
    assert rows(database_url, "SELECT deleted_at FROM hostaway.reservations")[0]["deleted_at"] is not None
    assert tables.merge(RESERVATIONS, [row(RESERVATIONS, late, second(4))]).updated == 1
