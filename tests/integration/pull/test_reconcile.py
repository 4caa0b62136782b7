"""Reconcile proves with a few calls that nothing was missed; it reads and writes only what changed."""

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.request import PullRequest
from hostaway_pipeline.sync.pull.run import pull
from tests.factories import (
    OpenAccount,
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    rows,
    snapshot,
    sync,
    synced,
)

MESSAGES = "/v1/conversations/{id}/messages"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("59808:5:150")


@pytest.fixture
def filled(sandbox: SandboxServer, services: Services) -> tuple[SandboxServer, Services]:
    return sandbox, services


def age_reads(url: str, interval: str) -> None:
    """Pretend that every conversation was last read this long ago."""
    rows(url, f"UPDATE hostaway.conversations SET messages_synced_at = now() - interval '{interval}' RETURNING 1")


def test_without_changes_a_reconcile_reads_only_the_lists_and_writes_nothing(
    filled: tuple[SandboxServer, Services], database_url: str
) -> None:
    sandbox, services = filled
    before = snapshot(database_url)

    report = synced(services, 59808, mode="reconcile", reread_share=1 / 30)

    # 5 listings, 150 reservations at 500 a page, 148 or so conversations at 100 a page
    assert report.api_calls == sandbox.counters.total == 1 + 1 + 2
    assert sandbox.counters.calls().get("POST /v1/accessTokens", 0) == 0
    assert snapshot(database_url) == before


def test_only_what_moved_is_read_and_written(filled: tuple[SandboxServer, Services], database_url: str) -> None:
    sandbox, services = filled
    account = sandbox.world.account(59808)
    conversations = [c["id"] for c in list(account.truth("conversations"))[:3]]
    reservations = [r["id"] for r in list(account.truth("reservations"))[:4]]
    for conversation in conversations:
        account.add_message(conversation, "new words", is_incoming=True)
    for reservation in reservations:
        account.update_reservation(reservation, guestName="new name")

    report = synced(services, 59808, mode="reconcile", reread_share=1 / 30)

    assert sandbox.counters.calls()[MESSAGES] <= len(conversations) + 1  # one of them may have two pages
    counts = report.entities
    assert (counts["reservations"].inserted, counts["reservations"].updated) == (0, 4)
    assert (counts["conversations"].updated, counts["messages"].inserted) == (3, 3)
    assert_equal_to_source(database_url, sandbox, 59808)


def test_a_daily_share_of_unchanged_conversations_is_reread_however_often_it_runs(
    filled: tuple[SandboxServer, Services], database_url: str
) -> None:
    sandbox, services = filled
    age_reads(database_url, "40 days")
    alive = len(list(sandbox.world.account(59808).truth("conversations")))

    for _ in range(3):
        synced(services, 59808, mode="reconcile", reread_share=1 / 30)

    reread = rows(database_url, "SELECT count(*) FROM hostaway.conversations WHERE messages_reread_at IS NOT NULL")
    assert reread[0]["count"] == -(-alive // 30)


def test_conversations_read_longest_ago_are_reread_first(
    filled: tuple[SandboxServer, Services], database_url: str
) -> None:
    _, services = filled
    age_reads(database_url, "3 days")
    oldest = rows(
        database_url,
        "UPDATE hostaway.conversations SET messages_synced_at = now() - interval '9 days' "
        "WHERE id IN (SELECT id FROM hostaway.conversations ORDER BY id DESC LIMIT 5) RETURNING id",
    )
    synced(services, 59808, mode="reconcile", reread_share=5 / 148)
    reread = rows(database_url, "SELECT id FROM hostaway.conversations WHERE messages_reread_at IS NOT NULL")
    assert {row["id"] for row in reread} >= {row["id"] for row in oldest}


def test_an_edit_that_moves_no_marker_is_found_by_the_daily_reread(
    filled: tuple[SandboxServer, Services], database_url: str
) -> None:
    sandbox, services = filled
    account = sandbox.world.account(59808)
    message = next(iter(account.truth("messages")))
    account.edit_message(message["conversationId"], message["id"], "edited in silence")
    age_reads(database_url, "2 days")

    synced(services, 59808, mode="reconcile", reread_share=0.0)
    body = "SELECT body FROM hostaway.messages WHERE id = %s"
    assert rows(database_url, body, message["id"])[0]["body"] != "edited in silence"

    synced(services, 59808, mode="reconcile", reread_share=1.0)
    assert rows(database_url, body, message["id"])[0]["body"] == "edited in silence"


def test_a_request_without_shares_takes_those_of_the_settings(
    filled: tuple[SandboxServer, Services], open_services: OpenServices, database_url: str
) -> None:
    sandbox, _ = filled
    account = sandbox.world.account(59808)
    gone = list(account.reservations)[:100]
    for reservation_id in gone:
        account.delete_reservation(reservation_id)
    age_reads(database_url, "2 days")
    services = open_services(sandbox, reread_share=0.5, max_delete_share=1.0)

    report = pull(services, PullRequest(59808, mode="reconcile"))

    assert report.entities["reservations"].deleted == len(gone)
    count = rows(database_url, "SELECT count(*) FROM hostaway.conversations WHERE deleted_at IS NULL")[0]["count"]
    reread = rows(database_url, "SELECT count(*) FROM hostaway.conversations WHERE messages_reread_at IS NOT NULL")
    assert reread[0]["count"] == -(-count // 2)


def test_a_dry_run_of_reconcile_reads_no_more_than_a_real_one(filled: tuple[SandboxServer, Services]) -> None:
    sandbox, services = filled
    synced(services, 59808, mode="reconcile", dry_run=True)
    assert sandbox.counters.calls().get(MESSAGES, 0) == 0


def test_a_refresh_reads_recent_reservations_and_changed_conversations(
    filled: tuple[SandboxServer, Services], database_url: str
) -> None:
    sandbox, services = filled
    account = sandbox.world.account(59808)
    changed = list(account.truth("reservations"))[7]["id"]
    account.update_reservation(changed, guestName="fresh")
    account.add_message(next(iter(account.truth("conversations")))["id"], "fresh", is_incoming=True)
    account.add_reservation(guestName="brand new")

    synced(services, 59808, mode="refresh")

    calls = sandbox.counters.calls()
    assert calls["/v1/reservations"] == 1
    assert "/v1/listings" not in calls
    assert_equal_to_source(database_url, sandbox, 59808)


def test_an_interrupted_refresh_leaves_no_gap_behind_its_newest_row(
    filled: tuple[SandboxServer, Services], database_url: str
) -> None:
    """Known ground advances only after all new rows were read."""
    sandbox, services = filled
    account = sandbox.world.account(59808)
    for reservation in list(account.truth("reservations"))[:140]:
        account.update_reservation(reservation["id"], guestName="moved to the front")
    newest_first = sorted(account.truth("reservations"), key=lambda r: (r["updatedOn"], r["id"]), reverse=True)
    with services.client(59808) as client:  # what a refresh that died after its first page has merged
        page = client.page("/reservations", {"limit": 100, "includeResources": 1})
    tables = services.pull_writer(services.accounts.get(59808), dry_run=False)
    from hostaway_pipeline.domain.entities import RESERVATIONS

    tables.merge(RESERVATIONS, [row for payload in page.rows if (row := RESERVATIONS.row(payload)) is not None])
    assert page.rows[0]["id"] == newest_first[0]["id"]

    synced(services, 59808, mode="refresh")
    assert_equal_to_source(database_url, sandbox, 59808)


def test_a_dead_account_costs_one_call_per_attempt(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    sandbox = open_sandbox("59808:2:5")
    services = open_services(sandbox)
    add_account(services, 59808, secret="wrong")
    sync(services, 59808)
    assert services.accounts.get(59808).failures == 1

    assert sync(services, 59808).api_calls == 1
    assert sync(services, 59808).api_calls == 1


def test_the_breaker_pauses_an_account_and_success_closes_it(open_account: OpenAccount) -> None:
    sandbox, services = open_account("59808:2:5")
    synced(services, 59808)
    sandbox.faults.update(down=True)
    for _ in range(3):
        sync(services, 59808)
    calls = sandbox.counters.total

    with pytest.raises(Exception, match="failed 3 times in a row and is paused until"):
        sync(services, 59808, respect_pause=True)
    assert sandbox.counters.total == calls

    sandbox.faults.clear()
    synced(services, 59808)
    account = services.accounts.get(59808)
    assert (account.failures, account.paused_until) == (0, None)
