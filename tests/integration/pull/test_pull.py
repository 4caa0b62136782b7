"""After a sync the tables equal what Hostaway has: row by row, payload by payload, typed columns included."""

from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import (
    OpenAccount,
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    rows,
    snapshot,
    synced,
)
from tests.waiting import in_the_background, wait_until


def test_a_full_sync_copies_an_account_completely(open_account: OpenAccount, database_url: str) -> None:
    sandbox, services = open_account("59808:7:787")

    report = synced(services, 59808)

    assert_equal_to_source(database_url, sandbox, 59808)
    assert report.entities["reservations"].inserted == 787
    assert report.api_calls <= 800
    assert report.api_calls == sandbox.counters.total


def test_a_second_sync_writes_nothing(open_account: OpenAccount, database_url: str) -> None:
    """Private attachments are signed anew at every read, and yet no row may move."""
    _, services = open_account("59808:5:120")
    synced(services, 59808)
    rows(database_url, "UPDATE hostaway.conversations SET messages_synced_at = messages_synced_at RETURNING 1")
    before = snapshot(database_url)

    report = synced(services, 59808)

    assert all(counts.inserted == counts.updated == counts.deleted == 0 for counts in report.entities.values())
    after = snapshot(database_url)
    # That a conversation was read again is the one thing that a full sync notes.
    for conversation in (*before["conversations"], *after["conversations"]):
        del conversation["xmin"], conversation["messages_synced_at"]
    assert after == before


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    listings=st.integers(0, 12),
    reservations=st.integers(0, 60),
    short_pages=st.booleans(),
    page_cap=st.sampled_from([3, 17, 100]),
)
def test_random_accounts_are_copied_completely(
    *,
    seed: int,
    listings: int,
    reservations: int,
    short_pages: bool,
    page_cap: int,
    open_sandbox: OpenSandbox,
    open_services: OpenServices,
    new_database: Callable[[], str],
    database_url: str,
) -> None:
    account_id = 10_000 + seed
    sandbox = open_sandbox(
        f"{account_id}:{listings}:{reservations}",
        seed=seed,
        short_pages=short_pages,
        token_delay=0.0,
        listings_cap=page_cap,
        reservations_cap=page_cap,
        conversations_cap=page_cap,
        messages_cap=page_cap,
    )
    services = open_services(sandbox)
    rows(database_url, "DELETE FROM hostaway.accounts RETURNING 1")
    add_account(services, account_id)

    synced(services, account_id)

    assert_equal_to_source(database_url, sandbox, account_id)
    writes = synced(services, account_id).entities.values()
    assert all(counts.inserted == counts.updated == counts.deleted == 0 for counts in writes)


def test_two_accounts_with_the_same_ids_do_not_mix(
    open_sandbox: OpenSandbox, open_services: OpenServices, database_url: str
) -> None:
    sandbox = open_sandbox("1:4:40", "2:4:40")
    shared = {row["id"] for row in sandbox.world.account(1).truth("reservations")} & {
        row["id"] for row in sandbox.world.account(2).truth("reservations")
    }
    assert shared, "the sandbox must give both accounts the same ids for this test to say anything"
    services = open_services(sandbox)
    for account_id in (1, 2):
        add_account(services, account_id)
        synced(services, account_id)

    for account_id in (1, 2):
        assert_equal_to_source(database_url, sandbox, account_id)


def test_typed_columns_are_read_from_the_payload(open_account: OpenAccount, database_url: str) -> None:
    _, services = open_account("59808:3:40")
    synced(services, 59808)

    wrong = rows(
        database_url,
        """
        SELECT id FROM hostaway.reservations
        WHERE listing_id IS DISTINCT FROM (raw_payload ->> 'listingMapId')::bigint
           OR total_price IS DISTINCT FROM (raw_payload ->> 'totalPrice')::numeric
           OR arrival_date IS DISTINCT FROM (raw_payload ->> 'arrivalDate')::date
           OR source_updated_at IS DISTINCT FROM (raw_payload ->> 'updatedOn')::timestamp AT TIME ZONE 'UTC'
        UNION ALL
        SELECT id FROM hostaway.messages
        WHERE sent_at IS DISTINCT FROM (raw_payload ->> 'date')::timestamp AT TIME ZONE 'UTC'
           OR conversation_id IS DISTINCT FROM (raw_payload ->> 'conversationId')::bigint
        """,
    )
    assert wrong == []


def test_message_threads_are_oldest_first(open_account: OpenAccount, database_url: str) -> None:
    _, services = open_account("59808:3:60")
    synced(services, 59808)

    threads = rows(database_url, "SELECT * FROM hostaway.message_threads WHERE account_id = 59808")

    assert max(len(thread["raw_messages"]) for thread in threads) > 1
    for thread in threads:
        dates = [message["date"] for message in thread["raw_messages"]]
        assert dates == sorted(dates)
        assert {message["reservationId"] for message in thread["raw_messages"]} == {thread["reservation_id"]}


def test_last_sync_at_is_set_once_all_four_lists_are_complete(open_account: OpenAccount) -> None:
    _, services = open_account("59808:2:10")
    began = datetime.now(UTC)

    synced(services, 59808, entities=("listings", "reservations", "conversations"))
    assert services.accounts.get(59808).last_sync_at is None

    synced(services, 59808, entities=("messages",))
    last = services.accounts.get(59808).last_sync_at
    assert last is not None
    assert last >= began


def test_a_dry_run_reports_what_a_sync_would_do_and_writes_nothing(
    open_account: OpenAccount, database_url: str
) -> None:
    _, services = open_account("59808:3:40")

    dry = synced(services, 59808, dry_run=True)
    assert all(not found for found in snapshot(database_url).values())
    assert rows(database_url, "SELECT * FROM hostaway.sync_runs") == []
    assert rows(database_url, "SELECT * FROM hostaway.sweeps") == []

    real = synced(services, 59808)
    assert dry.entities == real.entities


def test_the_requests_of_one_account_overlap(open_account: OpenAccount) -> None:
    """Otherwise eight hundred conversations would take eight hundred round trips one after the other."""
    sandbox, services = open_account("59808:3:100")
    sandbox.faults.hold_after = 10
    with in_the_background(lambda: synced(services, 59808)):
        wait_until(lambda: sandbox.counters.in_flight >= 8)
        sandbox.faults.clear()
