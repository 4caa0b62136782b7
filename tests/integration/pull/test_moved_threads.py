"""A refresh of a large account finds the conversations that moved by the orders of the reservations, at a few calls."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from hostaway_pipeline.domain.events import parse_delivery
from hostaway_pipeline.domain.tokens import Token
from hostaway_pipeline.domain.values import as_instant
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.objects import Conversation
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.urls import sibling_url
from hostaway_pipeline.sync.pull.request import Report
from hostaway_pipeline.sync.push.drain import drain
from hostaway_pipeline.wiring import services_on
from tests.factories import (
    OpenSandbox,
    OpenServices,
    add_account,
    assert_equal_to_source,
    make_settings,
    rows,
    snapshot,
    sync,
    synced,
)

ACCOUNT, SPEC = 59808, "59808:7:415"
LIST, ORDERS, MESSAGES = "/v1/conversations", "/v1/reservations", "/v1/conversations/{id}/messages"
THREADS, ENQUIRY = "/v1/reservations/{id}/conversations", "/v1/conversations/{id}"
PAGES = 5
"""Of the list of the 412 conversations: one more than make a short list."""


@pytest.fixture(scope="module")
def filled(new_database: Callable[[], str]) -> str:
    """The URL of a database with a complete copy of the account, to be cloned."""
    url = new_database()
    config = SandboxConfig((SandboxAccount.parse(SPEC),), ip_limit=None, account_limit=None, token_delay=0.0)
    with SandboxServer(config) as sandbox:
        services = services_on(make_settings(url, sandbox.url), url)
        services.secrets.check()
        add_account(services, ACCOUNT)
        synced(services, ACCOUNT)
        services.close()
    for table, column in (("sweeps", "proven_at"), ("conversations", "read_at")):  # beyond the trust in clocks
        rows(url, f"UPDATE hostaway.{table} SET {column} = {column} - interval '1 hour' RETURNING 1")
    return url


@pytest.fixture
def database_url(filled: str, request: pytest.FixtureRequest) -> str:
    name, template = f"moved_{abs(hash(request.node.name))}", filled.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(sibling_url(filled, "postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return sibling_url(filled, name)


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(SPEC)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    services = open_services(sandbox)
    services.tokens.save(ACCOUNT, Token(sandbox.tokens.issue(ACCOUNT), datetime.now(UTC) + timedelta(days=1)))
    return services


@pytest.fixture
def refresh(sandbox: SandboxServer, services: Services) -> Callable[[], Report]:
    """Runs a refresh; the sandbox's counters then show its calls."""

    def run() -> Report:
        sandbox.counters.reset()
        return synced(services, ACCOUNT, mode="refresh")

    return run


Refresh = Callable[[], Report]


def threads(account: Account) -> list[Conversation]:
    """Conversations of a reservation that has no other one."""
    found = (thread for thread in account.conversations.values() if thread.reservation_id)
    return [thread for thread in found if len(account.threads_of(thread.reservation_id or 0)) == 1]


def newest_first(account: Account) -> list[Conversation]:
    """In the order of their newest received message, as the sandbox lists their reservations."""
    return sorted(threads(account), key=lambda one: (one.received_on or "", one.reservation_id or 0), reverse=True)


def enquiry(account: Account) -> Conversation:
    return next(one for one in account.conversations.values() if one.reservation_id is None and one.visible())


def write(account: Account, thread: Conversation, at: str | None = None, *, is_incoming: bool = True) -> dict[str, Any]:
    """Add a message, with this date if one is given."""
    message = account.add_message(thread.id, f"message {len(thread.messages)}", is_incoming)
    if at is not None:
        account.message(thread.id, message["id"]).date = at
        thread.move_marker(is_incoming, at)
    return account.message(thread.id, message["id"]).payload()


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


def deliver(services: Services, message: dict[str, Any]) -> None:
    body = {"object": "conversationMessage", "event": "message.received", "accountId": ACCOUNT, "data": message}
    services.inbox.accept([(parse_delivery(body), "request-1")])
    drain(services, lambda _: None, linger=0)


def message_ids(url: str) -> set[int]:
    return {row["id"] for row in rows(url, "SELECT id FROM hostaway.messages WHERE deleted_at IS NULL")}


def wanted_messages(account: Account) -> set[int]:
    return {message["id"] for message in account.truth("messages")}


def assert_all_arrived(url: str, account: Account) -> None:
    """All messages are here, and the markers are Hostaway's."""
    assert message_ids(url) == wanted_messages(account)
    found = rows(url, "SELECT id, message_sent_at, message_received_at FROM hostaway.conversations "
                      "WHERE deleted_at IS NULL")  # fmt: skip
    wanted = ((row["id"], row["messageSentOn"], row["messageReceivedOn"]) for row in account.truth("conversations"))
    assert {tuple(row.values()) for row in found} == {(one, *map(as_instant, markers)) for one, *markers in wanted}


def calls(sandbox: SandboxServer, path: str) -> int:
    return sandbox.counters.calls().get(path, 0)


# What it costs


def test_without_changes_a_refresh_costs_six_calls_and_writes_nothing(
    sandbox: SandboxServer, refresh: Refresh, database_url: str
) -> None:
    before = snapshot(database_url)
    for _ in range(2):
        assert refresh().api_calls == sandbox.counters.total <= 6
        assert (calls(sandbox, ORDERS), calls(sandbox, LIST)) == (3, 1)
        assert calls(sandbox, THREADS) <= 2, "what was known and has not moved"
    assert snapshot(database_url) == before


@pytest.mark.parametrize("number", [1, 5, 12])
def test_moved_conversations_cost_two_calls_each_and_all_their_messages_arrive(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str, number: int
) -> None:
    for place, thread in enumerate(threads(account)[:number]):
        write(account, thread, is_incoming=place % 2 == 0)
    assert refresh().api_calls <= 6 + 2 * number
    assert_equal_to_source(database_url, sandbox, ACCOUNT)
    assert refresh().api_calls <= 6, "nothing has changed since, though the newest messages are seconds old"
    assert calls(sandbox, MESSAGES) == 0


def test_the_newest_conversations_are_found_although_they_overtake_none(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    for thread in newest_first(account)[:4][::-1]:
        write(account, thread)
    assert refresh().api_calls <= 6 + 2 * 4
    assert calls(sandbox, LIST) == 1
    assert_all_arrived(database_url, account)


def test_the_list_is_read_if_it_is_shorter_than_what_has_moved(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    number = PAGES + 4
    for thread in threads(account)[100 : 100 + number]:
        write(account, thread)
    assert refresh().api_calls == 3 + 1 + PAGES + number <= 6 + 2 * number
    assert_all_arrived(database_url, account)


def test_a_refresh_of_a_small_account_reads_its_list(open_sandbox: OpenSandbox, open_services: OpenServices) -> None:
    sandbox = open_sandbox("1:2:10")
    services = open_services(sandbox)
    add_account(services, 1)
    synced(services, 1)
    assert synced(services, 1, mode="refresh").api_calls == 2


# What it finds


def test_a_hosts_own_reply_is_found(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    """Hostaway sends no webhook for it."""
    write(account, threads(account)[40], is_incoming=False)
    assert refresh().entities["messages"].inserted == 1
    assert_all_arrived(database_url, account)


def test_a_message_of_the_same_second_as_a_known_one_is_found(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    """It comes after the refresh that read the known one, and Hostaway lists its reservation behind the other."""
    first, second = sorted(newest_first(account)[:2], key=lambda one: -(one.reservation_id or 0))
    second_at = now()
    write(account, first, second_at)
    refresh()
    write(account, second, second_at)
    assert refresh().entities["messages"].inserted == 1
    assert_all_arrived(database_url, account)


def test_a_message_whose_webhook_is_lost_is_found_behind_one_whose_webhook_came(
    services: Services, sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    """The newest known message says nothing about older ones if it was not a refresh that brought it."""
    first, second = newest_first(account)[:2]
    write(account, second)
    deliver(services, write(account, first))
    refresh()
    assert message_ids(database_url) == wanted_messages(account)


def test_conversations_that_move_while_pages_are_read_are_found_by_the_next_refresh(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    sandbox.faults.update(page_cap=7)
    for thread in threads(account)[:4]:
        write(account, thread)
    sandbox.faults.update(drift_every=1, drift_limit=60)
    while sandbox.faults.is_drifting():
        refresh()
    sandbox.faults.clear()
    refresh()
    assert calls(sandbox, LIST) <= 1, "not by the list"
    assert wanted_messages(account) <= message_ids(database_url), "what has been deleted waits for the reconcile"


# Conversations without a reservation


def test_a_known_enquiry_that_was_active_lately_is_read_by_id_and_counted_apart(
    sandbox: SandboxServer, services: Services, refresh: Refresh, account: Account, database_url: str
) -> None:
    assert refresh().enquiries == 0, "the enquiries are months old"
    write(account, enquiry(account))
    synced(services, ACCOUNT, mode="reconcile")
    write(account, enquiry(account), is_incoming=False)

    report = refresh()

    assert (report.enquiries, calls(sandbox, ENQUIRY), report.entities["messages"].inserted) == (1, 1, 1)
    assert report.api_calls - report.enquiries <= 6 + 2
    assert report.as_dict()["enquiries"] == 1
    assert_all_arrived(database_url, account)


def test_the_conversation_of_a_deleted_reservation_counts_as_an_enquiry(
    sandbox: SandboxServer, services: Services, refresh: Refresh, account: Account, database_url: str
) -> None:
    """No order shows it any more."""
    thread = threads(account)[3]
    assert thread.reservation_id is not None
    account.delete_reservation(thread.reservation_id)
    write(account, thread)
    synced(services, ACCOUNT, mode="reconcile")
    write(account, thread)
    assert refresh().enquiries == 1
    assert_all_arrived(database_url, account)


def test_a_new_enquiry_is_found_by_the_number_of_conversations(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    account.add_message(account.add_conversation()["id"], "Is it free in May?")
    assert refresh().api_calls <= 6 + 2
    assert_all_arrived(database_url, account)


def test_more_conversations_than_are_known_are_looked_for_in_the_whole_list(
    sandbox: SandboxServer, refresh: Refresh, database_url: str
) -> None:
    one_enquiry = "(SELECT max(id) FROM hostaway.conversations WHERE reservation_id IS NULL)"
    lost = rows(database_url, f"DELETE FROM hostaway.conversations WHERE id = {one_enquiry} RETURNING id")
    refresh()
    assert calls(sandbox, LIST) == 1 + PAGES
    assert rows(database_url, "SELECT 1 FROM hostaway.conversations WHERE id = %s", lost[0]["id"])


# When an order cannot be relied on


def test_an_order_that_the_server_ignores_is_noticed_and_nothing_is_missed(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    sandbox.faults.ignore_orders = True
    for thread in threads(account)[:3]:
        write(account, thread)
    with capture_logs() as logs:
        assert refresh().api_calls <= 3 + 1 + PAGES + 3
    assert calls(sandbox, LIST) == PAGES
    assert [(log["log_level"], log["reason"]) for log in logs if "reason" in log] == [
        ("warning", "the reservations are not in the order of their messages")
    ]
    assert_all_arrived(database_url, account)


def test_a_newest_message_that_is_deleted_is_found(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    """Its marker falls, so others stand before it whose stored markers are older."""
    thread = next(one for one in newest_first(account) if len(one.visible()) > 2 and one.latest().is_incoming)  # type: ignore[union-attr]
    account.delete_message(thread.id, thread.latest().id, markers_fall=True)  # type: ignore[union-attr]
    refresh()
    assert calls(sandbox, LIST) == PAGES
    assert_all_arrived(database_url, account)


def test_conversations_that_cannot_be_read_by_id_are_looked_for_in_the_list(
    sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    thread = threads(account)[5]
    write(account, thread)
    sandbox.faults.update(odd_answers={f"/v1/reservations/{thread.reservation_id}/conversations": "404"})
    refresh()
    assert calls(sandbox, LIST) == PAGES
    assert_all_arrived(database_url, account)


def test_without_a_complete_list_nothing_is_known(sandbox: SandboxServer, refresh: Refresh, database_url: str) -> None:
    rows(database_url, "UPDATE hostaway.sweeps SET is_complete = false WHERE entity = 'conversations' RETURNING 1")
    refresh()
    assert calls(sandbox, LIST) == PAGES


# What waits for the reconcile


def test_a_message_that_its_webhook_brought_costs_no_call_until_the_reconcile(
    services: Services, sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    thread = threads(account)[50]
    deliver(services, write(account, thread))
    assert refresh().api_calls <= 6
    assert calls(sandbox, MESSAGES) == 0
    sandbox.counters.reset()
    synced(services, ACCOUNT, mode="reconcile")
    assert calls(sandbox, MESSAGES) == 1
    assert rows(database_url, "SELECT 1 FROM hostaway.messages WHERE unsettled_at IS NOT NULL") == []


def test_a_message_with_an_old_date_that_comes_late_is_found_by_the_reconcile(
    services: Services, sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    """Channels deliver late at times. Far down in the order nothing shows it."""
    write(account, newest_first(account)[300], "2025-01-01 00:00:00")
    refresh()
    synced(services, ACCOUNT, mode="reconcile")
    assert_all_arrived(database_url, account)


# Interruptions


def test_messages_that_could_not_be_read_are_read_by_the_next_refresh(
    services: Services, sandbox: SandboxServer, refresh: Refresh, account: Account, database_url: str
) -> None:
    thread = threads(account)[9]
    write(account, thread)
    sandbox.faults.update(odd_answers={f"/v1/conversations/{thread.id}/messages": "404"})
    assert sync(services, ACCOUNT, mode="refresh").status == "incomplete"
    sandbox.faults.clear()
    refresh()
    assert_all_arrived(database_url, account)


def test_a_dry_run_learns_nothing(
    services: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    write(account, threads(account)[9])
    known = "SELECT known_until FROM hostaway.sweeps WHERE entity = 'conversations'"
    before = rows(database_url, known)
    report = synced(services, ACCOUNT, mode="refresh", dry_run=True)
    assert report.entities["messages"].inserted == 1
    assert rows(database_url, known) == before


def test_a_sweep_knows_nothing_that_came_after_it_began(
    services: Services, account: Account, database_url: str
) -> None:
    """What moved while the list was read may be missing from pages that were read before."""
    write(account, threads(account)[9], f"{datetime.now(UTC) + timedelta(seconds=30):%Y-%m-%d %H:%M:%S}")
    synced(services, ACCOUNT, mode="reconcile", entities=("conversations",))
    swept = rows(database_url, "SELECT known_until, started_at FROM hostaway.sweeps WHERE entity = 'conversations'")[0]
    assert swept["known_until"] == swept["started_at"].replace(microsecond=0)
