"""The deletion budget: a share of the rows per day, at least five, for all syncs and for pull and push together."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostaway_pipeline.domain.entities import MESSAGES, RESERVATIONS
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.push_writer import ChangeSet, PushWriter
from hostaway_pipeline.store.database import Database
from tests.factories import OpenSandbox, assert_equal_to_source, reservation, rows, sync, synced

ACCOUNT = 59808
ROWS = 60  # of which a fifth, 12, may be deleted in a day


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:3:{ROWS}")


def delete(account: Account, count: int) -> list[int]:
    gone = list(account.reservations)[:count]
    for reservation_id in gone:
        account.delete_reservation(reservation_id)
    return gone


def deleted(url: str) -> int:
    found: int = rows(url, "SELECT count(*) FROM hostaway.reservations WHERE deleted_at IS NOT NULL")[0]["count"]
    return found


def a_day_passes(url: str) -> None:
    rows(url, "UPDATE hostaway.deletion_budgets SET since = since - interval '25 hours' RETURNING 1")


def applied(services: Services, ids: list[int]) -> int:
    """Apply two 404s for each of these reservations, as confirmed events do."""
    tables = services.push_writer(services.accounts.get(ACCOUNT))
    changes = ChangeSet(asked_at=services.database.now())
    changes.gone[RESERVATIONS.name] |= set(ids)
    counts = tables.apply(changes)
    return counts[RESERVATIONS.name].deleted if counts else 0


def test_syncs_of_one_day_share_the_budget(services: Services, account: Account, database_url: str) -> None:
    """A list that loses a few rows in each of many syncs is as suspicious as one that loses them at once."""
    delete(account, 10)
    synced(services, ACCOUNT, mode="reconcile")
    delete(account, 3)

    report = sync(services, ACCOUNT, mode="reconcile")

    assert report.status == "incomplete"
    assert report.problems["reservations"] == (
        f"3 of {ROWS} rows are missing from the answer; at most 12 may be deleted in a day, and 10 were already"
    )
    assert report.sweeps["reservations"].held_back == 3
    assert services.checks.untrusted_sweeps("reservations")[0].what == report.problems["reservations"]
    assert deleted(database_url) == 10


def test_the_next_day_has_a_new_budget(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    delete(account, 12)
    synced(services, ACCOUNT, mode="reconcile")
    delete(account, 3)
    sync(services, ACCOUNT, mode="reconcile")
    assert deleted(database_url) == 12
    a_day_passes(database_url)
    synced(services, ACCOUNT, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_allowed_mass_deletion_spends_no_budget(services: Services, account: Account, database_url: str) -> None:
    delete(account, 40)
    assert sync(services, ACCOUNT, mode="reconcile").status == "incomplete"
    synced(services, ACCOUNT, mode="reconcile", allow_mass_delete=True)
    assert deleted(database_url) == 40
    delete(account, 5)
    synced(services, ACCOUNT, mode="reconcile")
    assert deleted(database_url) == 45


def test_pull_and_push_share_the_budget(services: Services, account: Account, database_url: str) -> None:
    assert applied(services, delete(account, 12)) == 12
    delete(account, 1)
    assert sync(services, ACCOUNT, mode="reconcile").status == "incomplete"
    assert applied(services, list(account.reservations)[:1]) == 0
    assert deleted(database_url) == 12


def test_each_entity_has_its_own_budget(services: Services, account: Account, database_url: str) -> None:
    delete(account, 12)
    account.delete_listing(next(iter(account.listings)))
    assert synced(services, ACCOUNT, mode="reconcile").entities["listings"].deleted == 1


def test_a_growing_account_has_a_growing_budget(services: Services, account: Account, database_url: str) -> None:
    """The first sync of a day may find ten rows, the last one ten thousand."""
    delete(account, 12)
    synced(services, ACCOUNT, mode="reconcile")
    for _ in range(60):
        account.add_reservation()
    delete(account, 8)
    synced(services, ACCOUNT, mode="reconcile")
    assert deleted(database_url) == 20


def test_unknown_and_deleted_rows_spend_no_budget(services: Services, account: Account, database_url: str) -> None:
    """A reservation may name, in each event, a listing that Hostaway never returns."""
    gone = delete(account, 12)
    applied(services, gone)
    tables = services.push_writer(services.accounts.get(ACCOUNT))
    changes = ChangeSet(asked_at=services.database.now())
    changes.gone[RESERVATIONS.name] |= {*gone, 999}
    assert tables.apply(changes) == {}
    assert deleted(database_url) == 12


def test_a_dry_run_reports_what_would_be_held_back_and_spends_no_budget(
    services: Services, account: Account, database_url: str
) -> None:
    delete(account, 13)
    dry = sync(services, ACCOUNT, mode="reconcile", dry_run=True)
    assert "13 of 60 rows are missing" in dry.problems["reservations"]
    assert rows(database_url, "SELECT * FROM hostaway.deletion_budgets") == []
    real = sync(services, ACCOUNT, mode="reconcile")
    assert (real.problems, real.entities) == (dry.problems, dry.entities)


def test_without_missing_rows_nothing_is_written(services: Services, database_url: str) -> None:
    synced(services, ACCOUNT, mode="reconcile")
    assert rows(database_url, "SELECT * FROM hostaway.deletion_budgets") == []


def test_messages_of_all_conversations_share_one_budget(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    """One message of each conversation is gone: a fifth may be deleted, conversation by conversation."""
    conversations = [one for one in account.conversations.values() if len(one.visible()) > 1]
    total = sum(len(one.visible()) for one in account.conversations.values())
    for conversation in conversations:
        for message in conversation.visible()[1:]:
            account.delete_message(conversation.id, message.id)

    report = sync(services, ACCOUNT)

    assert report.status == "incomplete"
    assert "messages were held back" in report.problems["messages"]
    gone = rows(database_url, "SELECT count(*) FROM hostaway.messages WHERE deleted_at IS NOT NULL")[0]["count"]
    assert 0 < gone <= -(-total // 5)
    synced(services, ACCOUNT, allow_mass_delete=True)
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


# Concurrency


@pytest.fixture
def stored(database: Database, database_url: str) -> PushWriter:
    """The writer of an account with twenty reservations, of which five may be deleted in a day."""
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING 1", ACCOUNT)
    tables = PullWriter(database, Owner(ACCOUNT, UUID(int=0)))
    made = [RESERVATIONS.row(reservation(one), datetime.now(UTC) - timedelta(hours=1)) for one in range(1, 21)]
    tables.merge(RESERVATIONS, [row for row in made if row is not None])
    return PushWriter(database, Owner(ACCOUNT, UUID(int=0)))


def test_concurrent_deletions_cannot_both_spend_the_budget(stored: PushWriter, database_url: str) -> None:
    everybody = 10
    barrier = Barrier(everybody)

    def mark(number: int) -> int:
        changes = ChangeSet(asked_at=datetime.now(UTC))
        changes.gone[RESERVATIONS.name].add(number)
        barrier.wait()
        return sum(counts.deleted for counts in stored.apply(changes).values())

    with ThreadPoolExecutor(everybody) as pool:
        assert sum(pool.map(mark, range(1, everybody + 1))) == 5
    assert deleted(database_url) == 5


def test_deletions_and_writes_of_the_same_rows_do_not_deadlock(stored: PushWriter, database_url: str) -> None:
    """Each deletes some rows and writes rows that the other one deletes."""
    rounds, everybody = 15, 4
    barrier = Barrier(everybody)

    def work(number: int) -> None:
        for one in range(rounds):
            changes = ChangeSet(asked_at=datetime.now(UTC))
            changes.gone[RESERVATIONS.name] |= {1 + (number + one) % 20}
            for other in (2, 3):
                read_at = datetime.now(UTC)
                payload = reservation(1 + (number + one + other) % 20, guestName=f"{number} {one}")
                row = RESERVATIONS.row(payload, read_at)
                assert row is not None
                changes.reads[RESERVATIONS.name].append(row)
            barrier.wait()
            stored.apply(changes)

    with ThreadPoolExecutor(everybody) as pool:
        list(pool.map(work, range(everybody)))
    assert deleted(database_url) <= 5


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.sets(st.integers(1, 40), min_size=1, max_size=12), max_size=8))
def test_no_day_deletes_more_than_its_budget_in_any_order(
    batches: list[set[int]], database: Database, database_url: str
) -> None:
    rows(database_url, "DELETE FROM hostaway.accounts RETURNING 1")
    rows(database_url, "INSERT INTO hostaway.accounts (account_id) VALUES (%s) RETURNING 1", ACCOUNT)
    tables = PullWriter(database, Owner(ACCOUNT, UUID(int=0)))
    payloads = [{"id": one, "conversationId": 1, "date": "2026-06-05 11:00:00"} for one in range(1, 41)]
    made = [MESSAGES.row(payload, datetime.now(UTC) - timedelta(hours=1)) for payload in payloads]
    tables.merge(MESSAGES, [row for row in made if row is not None])
    for number, batch in enumerate(batches):
        asked_at = datetime.now(UTC)
        tables.apply_reads([], {number: batch}, [], asked_at=asked_at, synced_at=asked_at)
    gone = rows(database_url, "SELECT count(*) FROM hostaway.messages WHERE deleted_at IS NOT NULL")[0]["count"]
    assert gone <= 8
