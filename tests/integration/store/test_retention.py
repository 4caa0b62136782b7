"""What is old is deleted in batches; what somebody still needs stays, however old."""

from datetime import timedelta

import psycopg
import pytest

from hostaway_pipeline.domain.limits import RateLimit
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import EventOutcome, Inbox
from hostaway_pipeline.store.retention import Retention
from hostaway_pipeline.store.slots import Slots
from tests.factories import reservation, rows
from tests.integration.store.inbox_steps import accept, delivery, filled, stored
from tests.integration.store.version_steps import Put, at, instant, versions_of

MONTH = timedelta(days=30)


@pytest.fixture
def retention(database: Database) -> Retention:
    return Retention(database)


@pytest.fixture
def settled(inbox: Inbox) -> None:
    """One event of each status."""
    filled(inbox, 4)
    accept(inbox, delivery(5, event="task.created"))
    claimed = inbox.claim(3)
    statuses = ("applied", "stale", "failed")
    inbox.record_outcomes([EventOutcome(event.id, status) for event, status in zip(claimed, statuses, strict=True)])  # type: ignore[arg-type]


@pytest.mark.usefixtures("settled")
def test_old_events_with_an_outcome_are_deleted(retention: Retention, database_url: str) -> None:
    """Failed and pending events stay, however old: a person has to look at them."""
    rows(database_url, "UPDATE hostaway.webhook_events SET received_at = now() - interval '31 days' RETURNING 1")
    assert retention.purge_events(MONTH) == 3
    assert {event["status"] for event in stored(database_url)} == {"failed", "pending"}


@pytest.mark.usefixtures("settled")
def test_failed_events_have_an_age_of_their_own(retention: Retention, database_url: str) -> None:
    rows(database_url, "UPDATE hostaway.webhook_events SET received_at = now() - interval '31 days' RETURNING 1")
    assert retention.purge_failed_events(2 * MONTH) == 0
    assert retention.purge_failed_events(MONTH) == 1
    assert "failed" not in {event["status"] for event in stored(database_url)}


@pytest.mark.usefixtures("settled")
def test_removed_accounts_go_with_all_their_rows(retention: Retention, database_url: str) -> None:
    rows(database_url, "UPDATE hostaway.accounts SET is_active = account_id <> 1, "
         "updated_at = now() - interval '31 days' RETURNING 1")  # fmt: skip
    assert retention.purge_removed_accounts(2 * MONTH) == 0
    assert retention.purge_removed_accounts(MONTH) == 1
    assert rows(database_url, "SELECT account_id FROM hostaway.accounts") == [{"account_id": 2}]
    assert stored(database_url) == []


@pytest.mark.usefixtures("settled")
def test_young_events_stay_and_repetitions_are_still_recognised(inbox: Inbox, retention: Retention) -> None:
    assert retention.purge_events(MONTH) == 0
    assert accept(inbox, delivery(1)) == 0


def test_the_heads_of_silent_objects_are_deleted(inbox: Inbox, retention: Retention, database_url: str) -> None:
    filled(inbox, 2)
    rows(database_url, "UPDATE hostaway.webhook_heads SET received_at = now() - interval '31 days' "
         "WHERE object_id = 1 RETURNING 1")  # fmt: skip
    retention.purge_events(MONTH)
    assert rows(database_url, "SELECT object_id FROM hostaway.webhook_heads") == [{"object_id": 2}]


def test_a_head_that_a_receiver_holds_is_not_waited_for(inbox: Inbox, retention: Retention, database_url: str) -> None:
    filled(inbox, 2)
    rows(database_url, "UPDATE hostaway.webhook_heads SET received_at = now() - interval '31 days' RETURNING 1")
    with psycopg.connect(database_url) as receiver:
        receiver.execute("UPDATE hostaway.webhook_heads SET received_at = now() WHERE object_id = 1")
        retention.purge_events(MONTH)
    assert rows(database_url, "SELECT object_id FROM hostaway.webhook_heads") == [{"object_id": 1}]


def test_more_than_a_batch_is_deleted(inbox: Inbox, retention: Retention, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO hostaway.webhook_events (account_id, event, object, object_id, payload, status, received_at) "
            "SELECT 1, 'e', 'o', n, '{}', 'applied', now() - interval '31 days' FROM generate_series(1, 5001) AS n"
        )
    assert retention.purge_events(MONTH) == 5001


@pytest.mark.usefixtures("inbox")
def test_old_sync_runs_are_deleted_except_the_newest_of_each_account_and_mode(
    retention: Retention, database_url: str
) -> None:
    days_ago = {1: [("full", 300), ("refresh", 40), ("refresh", 35), ("refresh", 1)], 2: [("full", 90), ("full", 80)]}
    with psycopg.connect(database_url) as connection:
        for account_id, runs in days_ago.items():
            connection.cursor().executemany(
                "INSERT INTO hostaway.sync_runs (account_id, mode, source, status, started_at, baseline_at) "
                "VALUES (%s, %s, 'cli', 'succeeded', now() - %s, now())",
                [(account_id, mode, timedelta(days=days)) for mode, days in runs],
            )
    assert retention.purge_sync_runs(MONTH) == 3
    left = rows(database_url, "SELECT account_id, mode, now()::date - started_at::date AS days "
                "FROM hostaway.sync_runs ORDER BY id")  # fmt: skip
    assert [tuple(row.values()) for row in left] == [(1, "full", 300), (1, "refresh", 1), (2, "full", 80)]


def test_unused_rate_scopes_are_deleted(database: Database, retention: Retention, database_url: str) -> None:
    slots = Slots(database, egress="here", ip=RateLimit(9, 1), account=RateLimit(9, 1))
    slots.acquire(1)
    slots.acquire(2)
    rows(database_url, "UPDATE hostaway.rate_scopes SET slots = ARRAY[now() - interval '15 days'], "
         "paused_until = CASE scope WHEN 'account:2' THEN now() END WHERE scope <> 'ip:here' RETURNING 1")  # fmt: skip
    assert retention.purge_rate_scopes() == 1
    left = rows(database_url, "SELECT scope FROM hostaway.rate_scopes ORDER BY scope")
    assert [row["scope"] for row in left] == ["account:2", "ip:here"]
    slots.acquire(1)


def test_old_versions_are_deleted(put: Put, retention: Retention, url: str) -> None:
    for hour in (1, 2, 3):
        put(reservation(updatedOn=at(hour), totalPrice=hour))
    rows(url, "UPDATE hostaway.reservation_versions SET valid_to = now() WHERE total_price = 2 RETURNING 1")
    assert retention.purge_versions(timedelta(hours=1)) == 1
    assert [row["valid_from"] for row in versions_of(url)] == [instant(2)]
