"""Known ground: what an earlier sync has read completely is not read again, and anything else is."""

from datetime import datetime, timedelta
from math import ceil

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import OpenAccount, OpenSandbox, assert_equal_to_source, rows, synced

ACCOUNT = 59808
RESERVATIONS = "/v1/reservations"


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> SandboxServer:
    return open_sandbox(f"{ACCOUNT}:3:250")


@pytest.fixture
def filled(sandbox: SandboxServer, services: Services) -> tuple[SandboxServer, Services]:
    return sandbox, services


def pages_of_a_refresh(sandbox: SandboxServer, services: Services) -> int:
    before = sandbox.counters.calls()[RESERVATIONS]
    synced(services, ACCOUNT, mode="refresh")
    return sandbox.counters.calls()[RESERVATIONS] - before


def test_a_refresh_does_not_read_what_the_previous_one_has_read(filled: tuple[SandboxServer, Services]) -> None:
    sandbox, services = filled
    account = sandbox.world.account(ACCOUNT)
    for number, reservation_id in enumerate(list(account.reservations)[:210]):
        account.update_reservation(reservation_id, guestName="moved to the front", updatedOn=minute(number))
    assert pages_of_a_refresh(sandbox, services) == 3, "210 changes at 100 a page"
    assert pages_of_a_refresh(sandbox, services) == 1
    account.update_reservation(next(iter(account.reservations)), guestName="once more")
    assert pages_of_a_refresh(sandbox, services) == 1


def minute(number: int) -> str:
    """A time later than all generated ones; each call returns a later one."""
    return f"{datetime(2026, 9, 10) + timedelta(minutes=number):%Y-%m-%d %H:%M:%S}"  # noqa: DTZ001 (as Hostaway says it)


def test_a_list_that_was_not_read_to_its_end_is_not_known_ground(open_account: OpenAccount, database_url: str) -> None:
    """A sweep made incomplete by a changing list has read the newest row, and may have missed any other."""
    sandbox, services = open_account(f"{ACCOUNT}:3:60", reservations_cap=10)
    synced(services, ACCOUNT)
    rows(database_url, "UPDATE hostaway.sweeps SET is_complete = false, seen_count = seen_count - 1 RETURNING 1")
    missed = oldest(sandbox)
    rows(database_url, "DELETE FROM hostaway.reservations WHERE id = %s RETURNING 1", missed)

    pages = pages_of_a_refresh(sandbox, services)

    assert pages == ceil(len(sandbox.world.account(ACCOUNT).reservations) / 10)
    assert rows(database_url, "SELECT 1 FROM hostaway.reservations WHERE id = %s", missed)


def oldest(sandbox: SandboxServer) -> int:
    """The last of the list."""
    truth = sandbox.world.account(ACCOUNT).truth("reservations")
    return int(min((row["updatedOn"], row["id"]) for row in truth)[1])


@pytest.mark.parametrize(("hours_ago", "is_continued"), [(12, True), (30, False)])
def test_a_full_sync_resumes_an_incomplete_one_for_at_most_a_day(
    filled: tuple[SandboxServer, Services], database_url: str, hours_ago: int, is_continued: bool
) -> None:
    """Conversations read since the killed sync began need no second read; a full sync must not rely on older reads."""
    sandbox, services = filled
    account = sandbox.world.account(ACCOUNT)
    message = next(iter(account.truth("messages")))
    account.edit_message(message["conversationId"], message["id"], "edited in silence")
    rows(  # as if the sync had been killed after it had read them all
        database_url,
        "UPDATE hostaway.sync_runs SET status = 'running', finished_at = NULL, "
        f"baseline_at = now() - interval '{hours_ago} hours' RETURNING 1",
    )
    read_at = f"now() - interval '{hours_ago - 1} hours'"
    rows(database_url, f"UPDATE hostaway.conversations SET messages_synced_at = {read_at} RETURNING 1")

    report = synced(services, ACCOUNT)

    assert (report.entities["messages"].fetched == 0) == is_continued
    if not is_continued:
        assert_equal_to_source(database_url, sandbox, ACCOUNT)
