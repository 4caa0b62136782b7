"""Where lists lack finance lines, a refresh reads some by id, until none are missing; elsewhere it costs no call."""

from typing import Any

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull import finance
from tests.factories import OpenServices, add_account, assert_equal_to_source, rows, sync, synced

ONE = 1
PATH = "/v1/financeField/{id}"
MISSING = """
SELECT id FROM hostaway.reservations WHERE finance_read_at IS NULL AND deleted_at IS NULL
AND status IN ('new', 'modified', 'ownerStay', 'awaitingPayment', 'awaitingGuestVerification', 'cancelled')
"""


@pytest.fixture
def sandbox(open_sandbox: Any) -> SandboxServer:
    started: SandboxServer = open_sandbox(f"{ONE}:3:60")
    started.faults.lists_lack = {"financeField"}
    return started


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    return sandbox.world.account(ONE)


@pytest.fixture
def services(sandbox: SandboxServer, open_services: OpenServices) -> Services:
    opened = open_services(sandbox)
    add_account(opened, ONE)
    synced(opened, ONE)
    return opened


def calls(sandbox: SandboxServer) -> int:
    return sandbox.counters.calls()[PATH]


def missing(url: str) -> list[int]:
    return [row["id"] for row in rows(url, MISSING)]


def test_a_refresh_completes_what_lists_lack(
    services: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    wanted = missing(database_url)
    assert wanted
    assert calls(sandbox) == 0, "a full sync asks for none"
    report = synced(services, ONE, mode="refresh")
    assert calls(sandbox) == report.entities["reservations"].updated == len(wanted)
    assert missing(database_url) == []
    found = rows(
        database_url, "SELECT reservation_id, count(*) AS lines FROM hostaway.reservation_finance_lines GROUP BY 1"
    )
    truth = {row_id: len(account.reservations[row_id].payload()["financeField"]) for row_id in wanted}
    assert {row["reservation_id"]: row["lines"] for row in found} == {key: n for key, n in truth.items() if n}

    before = rows(database_url, "SELECT xmin::text, * FROM hostaway.reservations ORDER BY id")
    synced(services, ONE, mode="refresh")
    synced(services, ONE, mode="reconcile")
    assert calls(sandbox) == len(wanted)
    assert rows(database_url, "SELECT xmin::text, * FROM hostaway.reservations ORDER BY id") == before
    sandbox.faults.lists_lack = set()
    synced(services, ONE, mode="full")
    assert_equal_to_source(database_url, sandbox, ONE)


def test_a_change_is_read_again(
    services: Services, sandbox: SandboxServer, account: Account, database_url: str
) -> None:
    synced(services, ONE, mode="refresh")
    sandbox.counters.reset()
    changed = rows(database_url, "SELECT id FROM hostaway.reservations WHERE status = 'new' LIMIT 1")[0]["id"]
    fields = [{"id": 1, "name": "baseRate", "total": 1.25}]
    account.update_reservation(changed, guestName="Changed", financeField=fields)
    synced(services, ONE, mode="refresh")
    assert calls(sandbox) == 1
    total = "SELECT total FROM hostaway.reservation_finance_lines WHERE reservation_id = %s"
    assert [float(row["total"]) for row in rows(database_url, total, changed)] == [1.25]


def test_a_refresh_reads_the_latest_stays_and_goes_on_the_next_time(
    services: Services, sandbox: SandboxServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finance, "MOST_READS", 5)
    latest = rows(database_url, f"{MISSING} ORDER BY arrival_date DESC, id DESC")
    synced(services, ONE, mode="refresh")
    assert calls(sandbox) == 5
    assert set(missing(database_url)) == {row["id"] for row in latest[5:]}
    synced(services, ONE, mode="refresh")
    assert set(missing(database_url)) == {row["id"] for row in latest[10:]}


@pytest.mark.parametrize("oddity", ["404", "html"])
def test_one_that_fails_stops_no_other_and_waits_for_a_day(
    services: Services, sandbox: SandboxServer, database_url: str, oddity: Any
) -> None:
    bad = missing(database_url)[0]
    sandbox.faults.odd_answers = {f"/v1/financeField/{bad}": oddity}
    synced(services, ONE, mode="refresh")
    assert missing(database_url) == [bad]
    before = calls(sandbox)
    synced(services, ONE, mode="refresh")
    assert calls(sandbox) == before
    sandbox.faults.odd_answers = {}
    rows(database_url, "UPDATE hostaway.reservations SET finance_tried_at = now() - interval '25 hours' RETURNING 1")
    synced(services, ONE, mode="refresh")
    assert missing(database_url) == []


def test_content_that_came_after_the_question_is_not_mixed_with_the_answer(
    services: Services, database_url: str
) -> None:
    reservation_id = missing(database_url)[0]
    asked_at = services.database.now()
    rows(database_url, "UPDATE hostaway.reservations SET read_at = now() RETURNING 1")
    writer = services.pull_writer(services.accounts.get(ONE), dry_run=False)
    answer = finance.FinanceAnswer([{"name": "baseRate", "total": 5}], asked_at)
    assert writer.apply_finance({reservation_id: answer}, []).updated == 0
    assert rows(database_url, "SELECT 1 FROM hostaway.reservation_finance_lines") == []


def test_a_dry_run_asks_for_none(services: Services, sandbox: SandboxServer) -> None:
    sync(services, ONE, mode="refresh", dry_run=True)
    assert calls(sandbox) == 0


def test_lists_that_carry_the_lines_cost_no_call(
    sandbox: SandboxServer, open_services: OpenServices, database_url: str
) -> None:
    sandbox.faults.lists_lack = set()
    services = open_services(sandbox)
    add_account(services, ONE)
    for mode in ("full", "refresh", "reconcile"):
        synced(services, ONE, mode=mode)
    assert calls(sandbox) == 0
    assert missing(database_url) == []
