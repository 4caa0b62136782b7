"""Wrong answers delete nothing: a deletion needs a second read that agrees, and the sync reports the problem."""

from typing import Any

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.request import Report
from tests.factories import (
    OpenAccount,
    OpenSandbox,
    assert_equal_to_source,
    orphans,
    rows,
    snapshot,
    sync,
    synced,
)

ACCOUNT = 59808
LISTS = ("/v1/listings", "/v1/reservations", "/v1/conversations")
THREADS = "/v1/conversations/{id}/messages"
WRONG = ["empty", "null", "html", "html-404", "404"]


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:8:40")


def tombstones(url: str) -> dict[str, set[int]]:
    query = "SELECT id FROM hostaway.{} WHERE deleted_at IS NOT NULL"
    found = {entity: {row["id"] for row in rows(url, query.format(entity))} for entity in snapshot(url)}
    return {entity: ids for entity, ids in found.items() if ids}


def busy_conversation(account: Account, messages: int = 2) -> int:
    """A conversation with at least this many messages."""
    return next(one.id for one in account.conversations.values() if len(one.visible()) >= messages)


def text(report: Report) -> str:
    return "; ".join([*report.problems.values(), str(report.error or "")])


def message_calls(sandbox: SandboxServer) -> int:
    return sandbox.counters.calls().get(THREADS, 0)


# Lists


@pytest.mark.parametrize(
    ("path", "oddity"),
    [
        *((path, oddity) for path in LISTS for oddity in ("empty", "404")),
        *zip(LISTS, ("null", "html", "html-404"), strict=True),  # each is tried again for seconds
    ],
)
def test_a_wrong_answer_to_a_list_deletes_nothing_and_the_sync_does_not_succeed(
    sandbox: SandboxServer, services: Services, database_url: str, path: str, oddity: str
) -> None:
    sandbox.faults.update(odd_answers={path: oddity})
    before = services.accounts.get(ACCOUNT).last_sync_at

    report = sync(services, ACCOUNT, mode="reconcile")

    assert report.status == ("incomplete" if oddity == "empty" else "failed")
    assert text(report)
    assert tombstones(database_url) == {}
    assert services.accounts.get(ACCOUNT).last_sync_at == before, "nobody has proven the copy complete"
    sandbox.faults.clear()
    synced(services, ACCOUNT, mode="reconcile")
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_that_is_empty_once_is_read_again(
    sandbox: SandboxServer, services: Services, database_url: str, path: str
) -> None:
    sandbox.faults.update(odd_answers={path: "empty"}, odd_answers_left=1)
    synced(services, ACCOUNT, mode="reconcile")
    assert tombstones(database_url) == {}


@pytest.mark.parametrize("oddity", ["text-count", "no-count"])
def test_a_count_that_is_text_or_missing_makes_no_difference(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str, oddity: str
) -> None:
    """Without a count, two equal passes up to an empty page prove the list complete, and prove deletions."""
    sandbox.faults.update(odd_answers=dict.fromkeys([*LISTS, THREADS], oddity))
    account.delete_reservation(next(iter(account.reservations)))
    account.delete_listing(next(iter(account.listings)))

    report = synced(services, ACCOUNT)

    assert (report.entities["reservations"].deleted, report.entities["listings"].deleted) == (1, 1)
    assert_equal_to_source(database_url, sandbox, ACCOUNT)
    assert [services.checks.count_mismatches(entity) for entity in report.entities] == [[], [], [], []]
    if oddity == "no-count":
        assert sandbox.counters.calls()["/v1/listings"] == 4, "two passes, each with an empty page at its end"


@pytest.mark.parametrize("oddity", ["one-more", "one-less"])
def test_a_list_whose_count_stays_off_by_one_is_read_twice_and_reported(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str, oddity: str
) -> None:
    """A third pass would give the same. A row missing from such a list is not surely deleted."""
    sandbox.faults.update(odd_answers={"/v1/listings": oddity})
    account.delete_listing(next(iter(account.listings)))

    report = sync(services, ACCOUNT, mode="reconcile")

    assert report.status == "incomplete"
    assert "7 distinct rows but a count of" in report.problems["listings"]
    assert "in 2 passes" in report.problems["listings"]
    assert tombstones(database_url) == {}
    assert services.checks.untrusted_sweeps("listings")


def test_a_count_that_is_too_low_at_the_end_of_a_page_hides_no_row(
    open_account: OpenAccount, database_url: str
) -> None:
    """20 rows and a count of 20: only reading to the end shows the 21st row."""
    sandbox, services = open_account(f"{ACCOUNT}:2:21", reservations_cap=10)
    synced(services, ACCOUNT)
    sandbox.faults.update(odd_answers={"/v1/reservations": "one-less"})
    assert sync(services, ACCOUNT, mode="reconcile").status == "incomplete"
    assert tombstones(database_url) == {}


# Messages


@pytest.mark.parametrize("oddity", WRONG)
def test_a_wrong_answer_for_one_conversation_deletes_nothing_and_stops_no_other(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str, oddity: str
) -> None:
    bad = busy_conversation(account)
    for conversation in list(account.conversations):
        account.add_message(conversation, "news")
    sandbox.faults.update(odd_answers={f"/v1/conversations/{bad}/messages": oddity})

    report = sync(services, ACCOUNT, mode="reconcile")

    assert report.status == "incomplete"
    assert str(bad) in report.problems["messages"]
    assert tombstones(database_url) == {}
    assert report.entities["messages"].inserted == len(account.conversations) - 1
    sandbox.faults.clear()
    sandbox.counters.reset()
    synced(services, ACCOUNT, mode="reconcile")
    assert message_calls(sandbox) == 1, "it is asked again, and only it"
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_conversations_that_are_all_answered_empty_keep_their_messages(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    sandbox.faults.update(odd_answers={THREADS: "empty"})
    report = sync(services, ACCOUNT)
    assert report.status == "incomplete"
    assert "no message, although the conversation has some" in report.problems["messages"]
    assert tombstones(database_url) == {}
    assert services.checks.untrusted_sweeps("messages")


def test_a_conversation_that_is_empty_once_is_read_again(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    path = f"/v1/conversations/{busy_conversation(account)}/messages"
    sandbox.faults.update(odd_answers={path: "empty"}, odd_answers_left=1)
    synced(services, ACCOUNT)
    assert tombstones(database_url) == {}


def test_allowing_mass_deletion_accepts_an_empty_conversation(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    conversation = busy_conversation(account)
    for message in list(account.conversations[conversation].messages):
        account.delete_message(conversation, message.id)
    assert sync(services, ACCOUNT).status == "incomplete"
    synced(services, ACCOUNT, allow_mass_delete=True)
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


def test_a_message_count_off_by_one_is_accepted_and_reported(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    """Scheduled messages may be counted but not returned; six more calls per refresh would not return them."""
    conversation = busy_conversation(account)
    deleted = account.conversations[conversation].visible()[0]
    account.delete_message(conversation, deleted.id)
    account.add_message(conversation, "news")
    sandbox.faults.update(odd_answers={f"/v1/conversations/{conversation}/messages": "one-more"})

    report = synced(services, ACCOUNT, mode="refresh")
    assert (report.entities["messages"].inserted, report.entities["messages"].deleted) == (1, 0)
    assert message_calls(sandbox) == 4, "two passes, each with an empty page at its end"

    synced(services, ACCOUNT, mode="refresh")
    assert message_calls(sandbox) == 4, "its markers are stored: it is not asked again"
    assert tombstones(database_url) == {}


def test_the_finding_names_the_conversation(sandbox: SandboxServer, services: Services, account: Account) -> None:
    conversation = busy_conversation(account)
    account.add_message(conversation, "news")
    sandbox.faults.update(odd_answers={f"/v1/conversations/{conversation}/messages": "one-more"})
    synced(services, ACCOUNT, mode="refresh")
    synced(services, ACCOUNT, mode="refresh")
    [finding] = services.checks.count_mismatches("messages")
    assert finding.account_id == ACCOUNT
    assert f"conversation {conversation}" in finding.what


def test_messages_missing_in_two_reads_are_deleted(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    conversation = busy_conversation(account)
    account.delete_message(conversation, account.conversations[conversation].visible()[0].id)
    account.add_message(conversation, "news")

    report = synced(services, ACCOUNT, mode="reconcile")

    assert report.entities["messages"].deleted == 1
    assert message_calls(sandbox) == 1 + 2, "one more read, which goes on to an empty page"
    assert_equal_to_source(database_url, sandbox, ACCOUNT)


# Conversations that are listed and not found


def test_an_existing_conversation_whose_messages_are_not_found_is_a_problem(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    conversation = busy_conversation(account)
    sandbox.faults.update(odd_answers={f"/v1/conversations/{conversation}/messages": "404"})
    report = sync(services, ACCOUNT)
    assert report.problems["messages"].endswith("not found, but the conversation is there)")
    assert tombstones(database_url) == {}


def test_a_conversation_that_is_not_found_by_id_either_is_deleted_with_its_messages(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    """Deleted after the list was read. The conversation and its messages are counted; only the former needs proof."""
    conversation = busy_conversation(account)
    path = f"/v1/conversations/{conversation}"
    sandbox.faults.update(odd_answers={path: "404", f"{path}/messages": "404"})

    report = synced(services, ACCOUNT)

    messages = {message.id for message in account.conversations[conversation].visible()}
    assert tombstones(database_url) == {"conversations": {conversation}, "messages": messages}
    assert report.entities["conversations"].deleted == 1
    assert report.entities["messages"].deleted == len(messages)
    assert orphans(database_url) == 0


def test_an_api_that_fails_during_the_messages_fails_the_sync(
    sandbox: SandboxServer, services: Services, account: Account
) -> None:
    """Three conversations in a row fail, and so does a call for listings: the API is at fault."""
    sandbox.faults.update(odd_answers={THREADS: "html", "/v1/listings": "html"})
    report = sync(services, ACCOUNT, entities=("messages",))
    assert report.status == "failed"
    assert "not a JSON object" in str(report.error)


def test_conversations_that_are_never_answered_do_not_fail_the_account(
    sandbox: SandboxServer, services: Services, account: Account, database_url: str
) -> None:
    """In a refresh they may be the only ones that are read, so another call decides whether the API is down."""
    bad = list(account.conversations)[:4]
    for conversation in bad:
        account.add_message(conversation, "news")
    sandbox.faults.update(odd_answers={f"/v1/conversations/{one}/messages": "null" for one in bad})
    report = sync(services, ACCOUNT, mode="refresh")
    assert report.status == "incomplete"
    assert report.problems["messages"].startswith("4 conversations could not be read")
    assert services.accounts.get(ACCOUNT).failures == 0


# Cost


def reconcile_calls(services: Services, **options: Any) -> int:
    return synced(services, ACCOUNT, mode="reconcile", **options).api_calls


def test_a_deletion_costs_one_more_pass_over_its_list(services: Services, account: Account) -> None:
    unchanged = reconcile_calls(services)
    account.delete_reservation(next(iter(account.reservations)))
    assert reconcile_calls(services) == unchanged + 1 + 1, "the pass, up to its empty page"
    assert reconcile_calls(services) == unchanged
