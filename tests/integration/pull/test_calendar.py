"""The calendar is read on request only, one call per listing, and its table equals Hostaway's days."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from hostaway_pipeline.domain.calendar import COLUMNS, days_of, span
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.listing_calendar import calendar
from hostaway_pipeline.sandbox.world.stays import Block
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.pull.request import Report
from tests.factories import OpenAccount, rows, sync, synced

ACCOUNT = 59808
PATH = "/v1/listings/{id}/calendar"
ONLY = ("calendar",)
FIRST, LAST = span(datetime.now(UTC).date())
LENGTH = (LAST - FIRST).days + 1
DAY = FIRST + timedelta(50)


@pytest.fixture
def opened(open_account: OpenAccount) -> tuple[SandboxServer, Services]:
    """Seven listings, one of them archived and one with several units; the listings are synced."""
    sandbox, services = open_account(f"{ACCOUNT}:7:60")
    synced(services, ACCOUNT, entities=("listings",))
    sandbox.counters.reset()
    return sandbox, services


@pytest.fixture
def sandbox(opened: tuple[SandboxServer, Services]) -> SandboxServer:
    return opened[0]


@pytest.fixture
def services(opened: tuple[SandboxServer, Services]) -> Services:
    return opened[1]


def read(services: Services, **options: Any) -> Report:
    return synced(services, ACCOUNT, entities=ONLY, **options)


def open_listings(sandbox: SandboxServer) -> list[int]:
    listings = sandbox.world.account(ACCOUNT).listings
    return [key for key, row in listings.items() if row.own["specialStatus"] != "archived"]


def expected(sandbox: SandboxServer, listing_id: int) -> dict[date, tuple[Any, ...]]:
    account = sandbox.world.account(ACCOUNT)
    days = calendar(account, listing_id, FIRST.toordinal(), LAST.toordinal(), with_resources=False)
    return dict(days_of(days, expected=len(days)).values)


def stored(url: str) -> dict[int, dict[date, tuple[Any, ...]]]:
    found: dict[int, dict[date, tuple[Any, ...]]] = {}
    for row in rows(url, "SELECT * FROM hostaway.calendar_days WHERE account_id = %s ORDER BY date", ACCOUNT):
        found.setdefault(row["listing_id"], {})[row["date"]] = tuple(row[name] for name in COLUMNS)
    return found


def physical(url: str) -> list[dict[str, Any]]:
    """Every row with the transactions that wrote or locked it: equal only if nothing was written."""
    query = "SELECT xmin::text, xmax::text, ctid::text, * FROM hostaway.calendar_days ORDER BY listing_id, date"
    return rows(url, query)


def moved(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> set[tuple[int, date]]:
    """The days whose `updated_at` moved or that are new."""
    times = {(row["listing_id"], row["date"]): row["updated_at"] for row in before}
    return {key for row in after if times.get(key := (row["listing_id"], row["date"])) != row["updated_at"]}


def assert_equal(sandbox: SandboxServer, url: str) -> None:
    assert stored(url) == {listing_id: expected(sandbox, listing_id) for listing_id in open_listings(sandbox)}


def test_a_first_read_copies_the_calendars_of_all_listings_for_sale_with_one_call_each(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    report = read(services)

    listings = open_listings(sandbox)
    assert 0 < len(listings) < 7
    assert sandbox.counters.calls() == {PATH: len(listings)}
    assert report.api_calls == len(listings)
    counts = {"fetched": len(listings) * LENGTH, "inserted": len(listings) * LENGTH}
    assert report.as_dict()["entities"] == {"calendar": {**counts, "updated": 0, "unchanged": 0, "deleted": 0}}
    assert_equal(sandbox, database_url)
    units = [days[DAY][COLUMNS_AT["total_units"]] for days in stored(database_url).values()]
    assert sorted(filter(None, units)), "one listing has several units"


COLUMNS_AT = {name: place for place, name in enumerate(COLUMNS)}


def test_a_second_read_of_unchanged_calendars_writes_nothing(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    read(services)
    before = physical(database_url)

    report = read(services)

    days = len(open_listings(sandbox)) * LENGTH
    assert report.as_dict()["entities"]["calendar"] == {
        "fetched": days, "inserted": 0, "updated": 0, "unchanged": days, "deleted": 0
    }  # fmt: skip
    assert physical(database_url) == before


def test_a_new_price_and_a_blocked_night_move_their_days_only(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    nights = sandbox.world.account(ACCOUNT).nights
    dear, blocked = open_listings(sandbox)[:2]
    read(services)
    before = physical(database_url)
    nights.home(dear).price *= 2
    night, _ = nights.first_free(blocked, DAY.toordinal(), 1)
    nights.blocks.setdefault(blocked, []).append(Block(night, night + 1, 0))

    report = read(services)

    after = physical(database_url)
    assert report.entities["calendar"].updated == LENGTH + 1
    days = {(dear, FIRST + timedelta(n)) for n in range(LENGTH)} | {(blocked, date.fromordinal(night))}
    assert moved(before, after) == days
    assert {row["read_at"] > before[0]["read_at"] for row in after if (row["listing_id"], row["date"]) in days} == {
        True
    }
    assert stored(database_url)[blocked][date.fromordinal(night)][:2] == (False, "blocked")
    assert_equal(sandbox, database_url)


def test_a_day_that_two_answers_lack_is_deleted_and_may_come_back(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    read(services)
    sandbox.counters.reset()
    sandbox.faults.update(odd_days={str(DAY): None})
    listings = open_listings(sandbox)

    report = read(services)

    assert report.entities["calendar"].deleted == len(listings)
    assert report.entities["calendar"].fetched == len(listings) * (LENGTH - 1)
    assert sandbox.counters.calls() == {PATH: 2 * len(listings)}
    assert all(DAY not in days and len(days) == LENGTH - 1 for days in stored(database_url).values())
    sandbox.faults.clear()
    assert read(services).entities["calendar"].inserted == len(listings)
    assert_equal(sandbox, database_url)


@pytest.mark.parametrize("lacks", ["everything", "the last days", "too many", "a readable date"])
def test_an_answer_that_proves_nothing_deletes_nothing_and_is_reported(
    sandbox: SandboxServer, services: Services, database_url: str, lacks: str
) -> None:
    read(services)
    before = physical(database_url)
    if lacks == "everything":
        sandbox.faults.update(odd_answers={PATH: "empty"})
    else:
        places = {
            "the last days": range(LENGTH - 3, LENGTH),
            "too many": range(1, 150),
            "a readable date": range(9, 10),
        }
        wrong = ["no day"] if lacks == "a readable date" else None
        sandbox.faults.update(odd_days={str(FIRST + timedelta(n)): wrong for n in places[lacks]})

    report = sync(services, ACCOUNT, entities=ONLY)

    assert report.status == "incomplete"
    assert {"everything": "not complete", "the last days": "3 stored days are missing", "too many": "149 of ",
            "a readable date": "days can be read"}[lacks] in report.problems["calendar"]  # fmt: skip
    assert report.entities["calendar"].deleted == 0
    assert physical(database_url) == before


def test_any_number_of_days_may_go_if_a_person_says_so(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    read(services)
    sandbox.faults.update(odd_answers={PATH: "empty"})
    assert read(services, allow_mass_delete=True).entities["calendar"].deleted == len(open_listings(sandbox)) * LENGTH
    assert stored(database_url) == {}


def test_days_before_the_range_stay(sandbox: SandboxServer, services: Services, database_url: str) -> None:
    read(services)
    past = FIRST - timedelta(1)
    listing_id = open_listings(sandbox)[0]
    move = "UPDATE hostaway.calendar_days SET date = %s WHERE listing_id = %s AND date = %s RETURNING updated_at"
    [row] = rows(database_url, move, past, listing_id, FIRST)

    report = read(services)

    assert (report.entities["calendar"].inserted, report.entities["calendar"].deleted) == (1, 0)
    assert rows(database_url, "SELECT updated_at FROM hostaway.calendar_days WHERE date = %s", past) == [row]


@pytest.mark.parametrize("oddity", ["404", "500"])
def test_one_listings_failure_is_its_own(
    sandbox: SandboxServer, services: Services, database_url: str, oddity: str
) -> None:
    """A 500 is tried again first."""
    failing, *others = open_listings(sandbox)
    sandbox.faults.update(odd_answers={PATH.format(id=failing): oddity})

    report = sync(services, ACCOUNT, entities=ONLY)

    assert (report.status, report.error) == ("incomplete", None)
    assert report.problems["calendar"].startswith(
        f"1 calendars could not be read completely (GET /listings/{failing}/calendar: "
    )
    assert sorted(stored(database_url)) == sorted(others)


def test_an_api_that_is_down_fails_the_sync(sandbox: SandboxServer, services: Services, database_url: str) -> None:
    """It is recognised after three listings, by a probe."""
    sandbox.faults.down = True
    report = sync(services, ACCOUNT, entities=ONLY)
    assert report.status == "failed"
    [run] = rows(database_url, "SELECT status, entities FROM hostaway.sync_runs ORDER BY id DESC LIMIT 1")
    assert run == {"status": "failed", "entities": {}}


def test_values_of_other_types_do_not_stop_the_sync(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    odd = {
        "price": "12.50",
        "isAvailable": "1",
        "minimumStay": "3",
        "maximumStay": {"nights": 4},
        "status": 5,
        "new": [],
    }
    sandbox.faults.update(odd_days={str(DAY): odd, str(DAY + timedelta(1)): {"price": None, "status": None}})
    read(services)
    for days in stored(database_url).values():
        assert days[DAY][:5] == (True, "5", days[DAY][2], 3, None)
        assert str(days[DAY][2]) == "12.50"
        assert days[DAY + timedelta(1)][1:3] == (None, None)


def test_archived_and_deleted_listings_are_not_asked(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    gone, archived, *others = open_listings(sandbox)
    read(services)
    account = sandbox.world.account(ACCOUNT)
    account.delete_listing(gone)
    account.update_listing(archived, specialStatus="archived")
    synced(services, ACCOUNT, entities=("listings",))
    sandbox.counters.reset()

    read(services)

    assert sandbox.counters.calls() == {PATH: len(others)}
    assert {gone, archived} < set(stored(database_url)), "what was known of their days stays"


def test_it_follows_the_listings_of_the_same_sync(open_account: OpenAccount, database_url: str) -> None:
    sandbox, services = open_account(f"{ACCOUNT}:7:20")
    synced(services, ACCOUNT, entities=("listings", "calendar"))
    assert_equal(sandbox, database_url)


@pytest.mark.parametrize("mode", ["full", "reconcile", "refresh"])
def test_without_being_named_it_is_not_read(
    sandbox: SandboxServer, services: Services, database_url: str, mode: str
) -> None:
    report = synced(services, ACCOUNT, mode=mode)
    assert "calendar" not in report.entities
    assert PATH not in sandbox.counters.calls()
    assert stored(database_url) == {}


def test_a_dry_run_counts_what_would_change_and_writes_nothing(
    sandbox: SandboxServer, services: Services, database_url: str
) -> None:
    runs = rows(database_url, "SELECT * FROM hostaway.sync_runs")
    dry = read(services, dry_run=True)
    assert stored(database_url) == {}
    assert dry.entities == read(services).entities
    before = physical(database_url)
    sandbox.faults.update(odd_days={str(DAY): None, str(DAY + timedelta(1)): {"price": 7}})
    dry = read(services, dry_run=True)
    assert physical(database_url) == before
    assert len(rows(database_url, "SELECT * FROM hostaway.sync_runs")) == len(runs) + 1
    assert dry.entities == read(services).entities
    assert (dry.entities["calendar"].updated, dry.entities["calendar"].deleted) == (
        len(open_listings(sandbox)), len(open_listings(sandbox))
    )  # fmt: skip


def test_it_is_recorded_and_proves_nothing_about_the_rest_of_the_account(services: Services, database_url: str) -> None:
    services.cadences.request(ACCOUNT, "reconcile")
    read(services)
    [run] = rows(database_url, "SELECT status, entities FROM hostaway.sync_runs ORDER BY id DESC LIMIT 1")
    assert run["status"] == "succeeded"
    assert list(run["entities"]) == ["calendar"]
    assert [row["entity"] for row in rows(database_url, "SELECT entity FROM hostaway.sweeps")] == ["listings"]
    assert services.accounts.get(ACCOUNT).last_sync_at is None
    states = {state.mode: state for state in services.cadences.of(ACCOUNT)}
    assert states["reconcile"].requested_at is not None, "the sync that was requested still is"
