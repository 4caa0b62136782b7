"""Accounts that are due are claimed once each, the most urgent first, and are due again after a success only."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from hostaway_pipeline.domain.cadences import DEFAULT, Schedule
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.cadences import Cadences, Claim
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.wiring import services_on
from tests.factories import make_settings, rows


@pytest.fixture
def cadences(services: Services) -> Cadences:
    return services.cadences


@pytest.fixture
def open_with(database_url: str) -> Iterator[Callable[..., Services]]:
    """Opens services with these settings; nothing here calls Hostaway."""
    opened: list[Services] = []

    def make(**changes: Any) -> Services:
        opened.append(services_on(make_settings(database_url, "http://127.0.0.1:1/v1", **changes), database_url))
        return opened[-1]

    yield make
    for services in opened:
        services.close()


@pytest.fixture
def services(open_with: Callable[..., Services]) -> Services:
    return open_with()


@pytest.fixture
def change(database_url: str) -> Callable[..., list[dict[str, Any]]]:
    """Runs a statement."""

    def run(statement: str, *values: Any) -> list[dict[str, Any]]:
        return rows(database_url, f"{statement} RETURNING 1", *values)

    return run


@pytest.fixture
def add(services: Services, change: Callable[..., Any]) -> Callable[..., None]:
    """Adds accounts whose first sync is complete, and which are due in no mode yet."""

    def add(*account_ids: int) -> None:
        for account_id in account_ids:
            services.accounts.add(account_id, "secret", name=None, customer_id=None, is_due=False)
        services.cadences.plan_missing()
        change("UPDATE hostaway.accounts SET last_sync_at = now()")
        change("UPDATE hostaway.cadences SET next_due_at = now() + interval '1 minute'")

    return add


def make_due(change: Callable[..., Any], account_id: int, mode: str, minutes: float) -> None:
    late = timedelta(minutes=minutes)
    change("UPDATE hostaway.cadences SET next_due_at = now() - %s WHERE (account_id, mode) = (%s, %s)",
           late, account_id, mode)  # fmt: skip


def claims(cadences: Cadences, mode: str, run_id: str = "run") -> list[Claim]:
    """Everything that one run can claim."""
    found = []
    while (claim := cadences.claim(mode, run_id)) is not None:
        found.append(claim)
    return found


def test_every_active_account_gets_a_due_time_in_every_regular_mode(
    cadences: Cadences, services: Services, database_url: str
) -> None:
    for account_id in (1, 2, 3):
        services.accounts.add(account_id, "secret", name=None, customer_id=None, is_due=False)
    services.accounts.remove(3, hard=False)
    cadences.plan_missing()
    found = rows(database_url, "SELECT account_id, mode FROM hostaway.cadences WHERE next_due_at > now()")
    assert {(row["account_id"], row["mode"]) for row in found} == {
        (account_id, mode) for account_id in (1, 2) for mode in ("reconcile", "refresh", "listings", "trails")
    }


def test_planning_again_moves_no_due_time(cadences: Cadences, add: Callable[..., None], database_url: str) -> None:
    """Not even one that has passed: that account is due."""
    add(1, 2)
    rows(database_url, "UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h' RETURNING 1")
    before = rows(database_url, "SELECT * FROM hostaway.cadences ORDER BY account_id, mode")
    cadences.plan_missing()
    assert rows(database_url, "SELECT * FROM hostaway.cadences ORDER BY account_id, mode") == before


def test_a_shorter_period_counts_at_once(
    add: Callable[..., None], open_with: Callable[..., Services], database_url: str
) -> None:
    add(1)
    rows(database_url, "UPDATE hostaway.cadences SET next_due_at = now() + interval '7 h' RETURNING 1")
    open_with(listings_every=timedelta(hours=1)).cadences.plan_missing()
    found = rows(database_url, "SELECT mode, next_due_at - now() < '1 h' AS is_soon FROM hostaway.cadences")
    soon = {row["mode"]: row["is_soon"] for row in found}
    assert soon == {"reconcile": False, "refresh": True, "listings": True, "trails": False}


def test_only_due_accounts_are_claimed_the_one_that_is_late_by_the_most_periods_first(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1, 2, 3, 4)
    cadences.schedule(2, {"refresh": Schedule(every=timedelta(hours=2))})
    make_due(change, 1, "refresh", 10)
    make_due(change, 2, "refresh", 60)
    make_due(change, 3, "refresh", 20)
    make_due(change, 4, "reconcile", 60)
    assert [claim.account_id for claim in claims(cadences, "refresh")] == [3, 1, 2]


def test_what_was_requested_is_claimed_first_by_any_run_in_the_order_of_the_requests(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1, 2, 3)
    make_due(change, 1, "refresh", 1000)
    cadences.request(3, "full")
    cadences.request(2, "reconcile")
    assert claims(cadences, "refresh") == [Claim(3, "full"), Claim(2, "reconcile"), Claim(1, "refresh")]


def test_a_run_for_requests_claims_nothing_else(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1, 2)
    make_due(change, 1, "reconcile", 1000)
    cadences.request(2, "full")
    assert claims(cadences, "requested") == [Claim(2, "full")]


def test_a_claimed_account_is_claimed_by_nobody_else_in_whatever_mode(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1)
    for mode in ("refresh", "reconcile", "listings"):
        make_due(change, 1, mode, 60)
    assert cadences.claim("refresh", "one") == Claim(1, "refresh")
    assert [cadences.claim(mode, "two") for mode in ("refresh", "reconcile", "listings")] == [None] * 3


def test_many_runs_at_once_claim_each_account_once(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(*range(1, 61))
    change("UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h' WHERE mode = 'reconcile'")
    start = threading.Barrier(8)

    def run(number: int) -> list[Claim]:
        start.wait()
        return claims(cadences, "reconcile", f"run {number}")

    with ThreadPoolExecutor(8) as pool:
        found = [claim.account_id for part in pool.map(run, range(8)) for claim in part]
    assert sorted(found) == list(range(1, 61))


def test_a_paused_a_removed_and_a_never_synced_account_are_not_claimed(
    cadences: Cadences, services: Services, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    """A reconcile is the exception: it brings an account's first copy as well."""
    add(1, 2, 3)
    change("UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h'")
    services.accounts.mark_failed(1, pause=timedelta(minutes=5))
    services.accounts.remove(2, hard=False)
    change("UPDATE hostaway.accounts SET last_sync_at = NULL WHERE account_id = 3")
    assert claims(cadences, "refresh") == []
    assert claims(cadences, "listings") == []
    assert claims(cadences, "reconcile") == [Claim(3, "reconcile")]


def test_a_paused_accounts_request_waits_for_the_circuit_breaker_and_is_kept(
    cadences: Cadences, services: Services, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1)
    cadences.request(1, "full")
    services.accounts.mark_failed(1, pause=timedelta(minutes=5))
    assert cadences.claim("requested", "run") is None
    change("UPDATE hostaway.accounts SET paused_until = now()")
    assert cadences.claim("requested", "run") == Claim(1, "full")


def test_the_claim_of_a_run_that_died_ends_with_its_lease_and_a_living_run_extends_its_own(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1, 2)
    for account_id in (1, 2):
        make_due(change, account_id, "refresh", 60 * account_id)
    dead, alive = cadences.claim("refresh", "dead"), cadences.claim("refresh", "alive")
    change("UPDATE hostaway.cadences SET lease_until = now() - interval '1 s' WHERE claimed_by IS NOT NULL")
    cadences.extend("alive")
    assert claims(cadences, "refresh", "next") == [dead]
    assert alive != dead


def test_a_run_that_lost_its_claim_cannot_end_the_claim_of_the_next(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1)
    make_due(change, 1, "refresh", 60)
    claim = cadences.claim("refresh", "stalled")
    assert claim is not None
    change("UPDATE hostaway.cadences SET lease_until = now() - interval '1 s' WHERE claimed_by IS NOT NULL")
    assert cadences.claim("refresh", "next") == claim
    cadences.release(claim, "stalled")
    assert cadences.claim("refresh", "third") is None


def test_the_claims_of_runs_that_are_over_are_given_back(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1, 2)
    for account_id in (1, 2):
        make_due(change, account_id, "refresh", 60)
    claims(cadences, "refresh", "over")
    cadences.give_back(["over"])
    assert len(claims(cadences, "refresh", "next")) == 2


def test_a_release_with_a_wait_keeps_everybody_away_for_as_long(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    add(1)
    make_due(change, 1, "refresh", 60)
    claim = cadences.claim("refresh", "run")
    assert claim is not None
    cadences.release(claim, "run", again_in=timedelta(minutes=1))
    assert cadences.claim("refresh", "run") is None
    change("UPDATE hostaway.cadences SET lease_until = lease_until - interval '1 min' WHERE lease_until IS NOT NULL")
    assert cadences.claim("refresh", "run") == claim


def test_a_success_sets_the_next_point_of_the_grid_and_a_failure_none(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    """After six hours of absence an account is due once, not 24 times."""
    add(1)
    make_due(change, 1, "refresh", 6 * 60)
    claim = cadences.claim("refresh", "run")
    assert claim is not None
    cadences.release(claim, "run")
    assert cadences.claim("refresh", "run") == claim, "no success: it is still due"
    began = datetime.now(UTC)
    cadences.record_success(1, ["refresh"], began)
    cadences.release(claim, "run")
    state = next(state for state in cadences.of(1) if state.mode == "refresh")
    assert state.next_due_at == cadences.plan.next_due(1, "refresh", began)
    assert state.succeeded_at == began
    assert cadences.claim("refresh", "run") is None


def test_a_request_stays_until_its_own_mode_has_succeeded(cadences: Cadences, add: Callable[..., None]) -> None:
    add(1)
    cadences.request(1, "full")
    cadences.record_success(1, ["refresh"], datetime.now(UTC))
    cadences.record_success(1, ["reconcile", "refresh", "listings"], datetime.now(UTC))
    assert claims(cadences, "requested") == [Claim(1, "full")]
    cadences.give_back(["run"])
    cadences.record_success(1, ["full", "reconcile", "refresh", "listings"], datetime.now(UTC))
    assert claims(cadences, "requested") == []


def test_a_request_made_after_a_sync_had_begun_outlives_its_success(
    cadences: Cadences, add: Callable[..., None]
) -> None:
    add(1)
    began = datetime.now(UTC)
    cadences.request(1, "reconcile")
    cadences.record_success(1, ["reconcile"], began)
    assert claims(cadences, "requested") == [Claim(1, "reconcile")]


def test_refreshes_leave_the_limit_to_waiting_reconciles_while_a_run_works_on_these(
    cadences: Cadences, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    """If none does, because somebody has switched reconciles off, refreshes go on."""
    add(1, 2, 3)
    for account_id in (1, 2):
        make_due(change, account_id, "reconcile", 60)
    make_due(change, 3, "refresh", 60)
    assert claims(cadences, "refresh", "first") == [Claim(3, "refresh")]
    cadences.give_back(["first"])
    assert cadences.claim("reconcile", "at work") is not None
    assert claims(cadences, "refresh") == []
    assert cadences.claim("reconcile", "at work") is not None
    assert claims(cadences, "refresh") == [Claim(3, "refresh")], "no reconcile waits any more"


def test_an_accounts_own_schedule_counts_at_once_and_can_be_taken_back(
    cadences: Cadences, add: Callable[..., None]
) -> None:
    add(1)
    own = {"reconcile": Schedule(at=time(3)), "refresh": Schedule(every=timedelta(minutes=30))}
    cadences.schedule(1, own)  # type: ignore[arg-type]
    assert cadences.own() == {1: own}
    state = next(state for state in cadences.of(1) if state.mode == "reconcile")
    assert state.next_due_at is not None
    assert f"{state.next_due_at:%H:%M:%S}" == "03:00:00"
    cadences.schedule(1, {"reconcile": DEFAULT, "refresh": DEFAULT})
    assert cadences.own() == {}


def test_a_success_keeps_an_accounts_own_schedule(cadences: Cadences, add: Callable[..., None]) -> None:
    add(1)
    own = Schedule(every=timedelta(hours=2))
    cadences.schedule(1, {"refresh": own})
    now = datetime.now(UTC)
    cadences.record_success(1, ["refresh"], now)
    state = next(state for state in cadences.of(1) if state.mode == "refresh")
    assert (state.own, state.next_due_at) == (own, cadences.plan.next_due(1, "refresh", now, own))


def test_the_backlog_counts_what_can_be_claimed(
    cadences: Cadences, services: Services, add: Callable[..., None], change: Callable[..., Any]
) -> None:
    """backlog.sql and claim_account.sql state the same conditions."""
    add(*range(1, 9))
    change("UPDATE hostaway.cadences SET next_due_at = now() - interval '1 h' WHERE account_id < 7")
    services.accounts.mark_failed(1, pause=timedelta(minutes=5))
    services.accounts.remove(2, hard=False)
    change("UPDATE hostaway.accounts SET last_sync_at = NULL WHERE account_id = 3")
    change("UPDATE hostaway.cadences SET lease_until = now() + interval '1 min' WHERE account_id = 4")
    cadences.request(8, "full")
    backlog = cadences.backlog()
    waiting = {mode: (one.due, one.requested) for mode, one in backlog.items()}
    regular = dict.fromkeys(("refresh", "listings", "trails"), (2, 0))
    assert waiting == {**regular, "reconcile": (3, 0), "full": (0, 1)}
    assert backlog["refresh"].latest is not None
    assert timedelta(hours=1) <= backlog["refresh"].latest < timedelta(hours=1, minutes=1)
    assert claims(cadences, "requested", "r") == [Claim(8, "full")]
    for mode in ("refresh", "listings", "reconcile"):
        assert len(claims(cadences, mode, mode)) == waiting[mode][0]
        assert cadences.backlog()[mode].claimed == waiting[mode][0]  # type: ignore[index]
        cadences.give_back([mode])


def test_the_backlog_tells_the_present_intervals(cadences: Cadences, add: Callable[..., None]) -> None:
    add(1, 2)
    now = datetime.now(UTC)
    for account_id, minutes in ((1, 30), (2, 60)):
        cadences.record_success(account_id, ["refresh"], now - timedelta(minutes=minutes))
        cadences.record_success(account_id, ["refresh"], now)
    refresh = cadences.backlog()["refresh"]
    assert refresh.mean_interval == timedelta(minutes=45)
    assert refresh.oldest is not None
    assert refresh.oldest < timedelta(minutes=1)


def test_a_place_is_reserved_by_one_schedule_at_a_time(cadences: Cadences) -> None:
    start = threading.Barrier(6)

    def reserve(_: int) -> int | None:
        start.wait()
        return cadences.reserve_place([1, 2])

    with ThreadPoolExecutor(6) as pool:
        found = [place for place in pool.map(reserve, range(6)) if place is not None]
    assert sorted(found) == [1, 2]
    cadences.free_place(2)
    assert cadences.reserve_place([1, 2]) == 2


def test_a_database_of_its_own_clock_decides(cadences: Cadences, add: Callable[..., None], database_url: str) -> None:
    """A simulation looks a week ahead: every account is due then."""
    add(1)
    database = Database(database_url)
    later = Cadences(database, cadences.plan, now=datetime.now(UTC) + timedelta(days=7))
    assert later.claim("refresh", "run") == Claim(1, "refresh")
    database.dispose()
