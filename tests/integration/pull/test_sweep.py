"""Tombstones: only a complete sweep sets them, never too many at once, and a row that returns is restored."""

import threading
import time

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import (
    OpenAccount,
    OpenSandbox,
    assert_equal_to_source,
    orphans,
    rows,
    sync,
    synced,
)

DELETED = "SELECT id FROM hostaway.{} WHERE deleted_at IS NOT NULL ORDER BY id"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox("59808:20:60")


@pytest.fixture
def filled(sandbox: SandboxServer, services: Services) -> tuple[SandboxServer, Services]:
    return sandbox, services


def deleted_ids(url: str, entity: str) -> set[int]:
    return {row["id"] for row in rows(url, DELETED.format(entity))}


@pytest.mark.parametrize("entity", ["listings", "reservations", "conversations"])
def test_a_row_missing_at_hostaway_becomes_a_tombstone(
    filled: tuple[SandboxServer, Services], database_url: str, entity: str
) -> None:
    sandbox, services = filled
    account = sandbox.world.account(59808)
    gone = next(iter(account.truth(entity)))["id"]
    getattr(account, f"delete_{entity.removesuffix('s')}")(gone)

    report = synced(services, 59808)

    assert report.entities[entity].deleted == 1
    assert deleted_ids(database_url, entity) == {gone}
    assert_equal_to_source(database_url, sandbox, 59808)


def test_deleting_a_conversation_deletes_its_messages(
    filled: tuple[SandboxServer, Services], database_url: str
) -> None:
    sandbox, services = filled
    account = sandbox.world.account(59808)
    message = next(iter(account.truth("messages")))
    account.delete_conversation(message["conversationId"])

    synced(services, 59808)

    assert message["id"] in deleted_ids(database_url, "messages")
    assert orphans(database_url) == 0


def test_a_deleted_message_becomes_a_tombstone_when_its_conversation_is_read(
    filled: tuple[SandboxServer, Services], database_url: str
) -> None:
    sandbox, services = filled
    account = sandbox.world.account(59808)
    message = next(iter(account.truth("messages")))
    account.delete_message(message["conversationId"], message["id"])

    assert synced(services, 59808).entities["messages"].deleted == 1
    assert deleted_ids(database_url, "messages") == {message["id"]}


@pytest.mark.parametrize("entity", ["listing", "reservation"])
def test_a_row_that_returns_is_restored(filled: tuple[SandboxServer, Services], database_url: str, entity: str) -> None:
    sandbox, services = filled
    account = sandbox.world.account(59808)
    gone = next(iter(account.truth(entity + "s")))["id"]
    getattr(account, f"delete_{entity}")(gone)
    synced(services, 59808)
    getattr(account, f"restore_{entity}")(gone)

    synced(services, 59808)

    assert deleted_ids(database_url, entity + "s") == set()
    assert_equal_to_source(database_url, sandbox, 59808)


@pytest.mark.parametrize("answer", ["empty", "half"])
def test_an_answer_that_lacks_most_listings_deletes_none_and_says_so(
    filled: tuple[SandboxServer, Services], database_url: str, answer: str
) -> None:
    """A wrong key or a broken filter looks exactly like deletions: the count agrees with the short list."""
    sandbox, services = filled
    sandbox.faults.update(listings_answer=answer)

    report = sync(services, 59808)

    assert report.status == "incomplete"
    assert "of 20 rows are missing" in report.problems["listings"]
    assert deleted_ids(database_url, "listings") == set()
    finding = services.checks.untrusted_sweeps("listings")[0]
    assert (finding.account_id, finding.what) == (59808, report.problems["listings"])


def test_mass_deletion_happens_if_it_is_allowed(filled: tuple[SandboxServer, Services], database_url: str) -> None:
    sandbox, services = filled
    sandbox.faults.update(listings_answer="half")

    report = synced(services, 59808, allow_mass_delete=True)

    assert report.entities["listings"].deleted == len(deleted_ids(database_url, "listings")) == 10


def test_the_next_complete_sweep_clears_the_finding(filled: tuple[SandboxServer, Services], database_url: str) -> None:
    sandbox, services = filled
    sandbox.faults.update(listings_answer="empty")
    sync(services, 59808)
    sandbox.faults.clear()

    synced(services, 59808)

    assert services.checks.untrusted_sweeps("listings") == []
    assert_equal_to_source(database_url, sandbox, 59808)


def test_a_mass_deletion_of_messages_is_held_back(filled: tuple[SandboxServer, Services], database_url: str) -> None:
    sandbox, services = filled
    account = sandbox.world.account(59808)
    for message in list(account.truth("messages")):
        account.delete_message(message["conversationId"], message["id"])

    report = sync(services, 59808)

    alive = rows(database_url, "SELECT count(*) FROM hostaway.messages WHERE deleted_at IS NULL")[0]["count"]
    total = rows(database_url, "SELECT count(*) FROM hostaway.messages")[0]["count"]
    assert report.status == "incomplete"
    assert alive >= int(total * 0.8)


def test_an_update_and_a_deletion_during_one_pass_do_not_hide_each_other(
    open_account: OpenAccount, database_url: str
) -> None:
    """The pass sees the deleted row and misses the updated one, and yet its distinct ids equal the count."""
    sandbox, services = open_account("59808:2:60", reservations_cap=10, latency=0.05)
    synced(services, 59808)
    account = sandbox.world.account(59808)
    in_order = sorted(account.truth("reservations"), key=lambda r: (r["updatedOn"], r["id"]), reverse=True)
    first, last = in_order[0]["id"], in_order[-1]["id"]

    def change_in_mid_crawl() -> None:
        while sandbox.counters.calls()["/v1/reservations"] < before + 3:
            time.sleep(0.005)
        account.delete_reservation(first)
        account.update_reservation(last, guestName="moved to the front")

    before = sandbox.counters.calls()["/v1/reservations"]
    changer = threading.Thread(target=change_in_mid_crawl)
    changer.start()
    synced(services, 59808, entities=("reservations",))
    changer.join()

    assert deleted_ids(database_url, "reservations") <= {first}
    synced(services, 59808, entities=("reservations",))
    assert deleted_ids(database_url, "reservations") == {first}
