"""Which events may be claimed stands in claim_events.sql, and again in inbox_state.sql, which counts them."""

from itertools import product
from typing import get_args

import psycopg
import pytest

from hostaway_pipeline.domain.vocabulary import EventStatus
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.inbox import MAX_ATTEMPTS, Inbox

STATUSES = get_args(EventStatus)
CLAIMED = (None, "-1 minute")
RETRY = (None, "-1 second", "1 hour")
ATTEMPTS = (0, 1, MAX_ATTEMPTS)
EVERY_CASE = list(product(STATUSES, CLAIMED, RETRY, ATTEMPTS))


@pytest.mark.parametrize(("status", "claimed", "retry", "attempts"), EVERY_CASE)
def test_an_event_counts_as_claimable_when_it_can_be_claimed(
    inbox: Inbox, database_url: str, status: str, claimed: str | None, retry: str | None, attempts: int
) -> None:
    store(database_url, (status, claimed, retry, attempts))
    claimable = inbox.state().claimable
    assert claimable == len(inbox.claim(9)) + len(inbox.claim(9, has_failed=True))
    assert claimable == (status == "pending" and claimed is None and retry != "1 hour")


def test_the_count_of_all_of_them_together_is_what_can_be_claimed(inbox: Inbox, database_url: str) -> None:
    store(database_url, *EVERY_CASE)
    before = inbox.state()
    claimed = inbox.claim(1000) + inbox.claim(1000, has_failed=True)
    after = inbox.state()
    assert before.claimable == len(claimed) == len(RETRY[:2]) * len(ATTEMPTS)
    assert (after.claimable, after.claimed) == (0, before.claimed + len(claimed))


@pytest.fixture
def inbox(database: Database, database_url: str) -> Inbox:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO hostaway.accounts (account_id) VALUES (1)")
    return Inbox(database)


def store(url: str, *events: tuple[str, str | None, str | None, int]) -> None:
    with psycopg.connect(url) as connection:
        connection.cursor().executemany(
            "INSERT INTO hostaway.webhook_events "
            "(account_id, event, object, object_id, payload, status, claimed_at, retry_at, attempts) "
            "VALUES (1, 'reservation.updated', 'reservation', 7, '{}', %s, now() + %s::interval, "
            "now() + %s::interval, %s)",
            events,
        )
