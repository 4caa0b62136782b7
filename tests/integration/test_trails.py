"""The past from before an account was copied, out of Hostaway's audit trails: right, cheap, and never in the way."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from threading import Thread
from typing import Any

import pytest

from hostaway_pipeline.sandbox.config import SandboxConfig
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.history import History
from hostaway_pipeline.sync.due_accounts import DueAccounts
from hostaway_pipeline.sync.pull.request import Report
from hostaway_pipeline.sync.trails import read_trails
from tests.factories import OpenAccount, OpenSandbox, OpenServices, add_account, rows, synced
from tests.waiting import wait_until

ID = 59808
LOGS = "/v1/reservations/{id}/logs"
TODAY = date.fromisoformat(SandboxConfig().today)
SINCE = "2026-02-01"
FIELDS = {
    "status": "status",
    "arrival_date": "arrivalDate",
    "departure_date": "departureDate",
    "total_price": "totalPrice",
    "number_of_guests": "numberOfGuests",
    "channel_commission": "channelCommissionAmount",
    "listing_id": "listingMapId",
}


def read_all(services: Services) -> list[Report]:
    """Read trails until none is left."""
    reports = [read_trails(services, ID).report]
    while reports[-1].trails_left:
        reports.append(read_trails(services, ID).report)
    return reports


def calls(sandbox: SandboxServer) -> int:
    return sum(arrival.path == LOGS for arrival in sandbox.counters.arrivals())


def outcomes(url: str) -> dict[str, int]:
    found = rows(url, "SELECT outcome, count(*) AS n FROM hostaway.reservation_trails GROUP BY outcome")
    return {row["outcome"]: row["n"] for row in found}


def stored_past(url: str) -> dict[int, list[dict[str, Any]]]:
    """Every state of each reservation, oldest first, with its beginning and its end; the present one has no end."""
    columns = ", ".join(["is_dates_unspecified", "inserted_at", *FIELDS])
    lines = "SELECT jsonb_agg(to_jsonb(l)) FROM hostaway.reservation_finance_lines AS l WHERE l.reservation_id = r.id"
    states = rows(
        url,
        f"SELECT reservation_id AS id, version_id, valid_from, valid_to, finance_lines, is_reconstructed, {columns} "
        f"FROM hostaway.reservation_versions UNION ALL "
        f"SELECT id, NULL, NULL, NULL, coalesce(({lines}), '[]'), FALSE, {columns} FROM hostaway.reservations AS r "
        f"ORDER BY 1, 4, 2",
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for state in states:
        found.setdefault(state["id"], []).append(state)
    for history in found.values():
        for earlier, later in zip(history[-2::-1], history[:0:-1], strict=True):
            later["valid_from"] = earlier["valid_to"]
            if earlier["finance_lines"] is None:
                earlier["finance_lines"] = later["finance_lines"]
        history[0]["valid_from"] = history[0]["valid_from"] or history[0]["inserted_at"]
    return found


def at(history: list[dict[str, Any]], moment: datetime) -> dict[str, Any] | None:
    return next(
        (s for s in history if s["valid_from"] <= moment and (s["valid_to"] is None or moment < s["valid_to"])), None
    )


def as_stored(state: dict[str, Any]) -> dict[str, Any]:
    lines = [line for line in state["finance_lines"] if not line["is_deleted"]]
    kept = {name: str(state[name]) if isinstance(state[name], date) else state[name] for name in FIELDS}
    return plain(kept | {line["name"]: line["total"] for line in lines}, state["is_dates_unspecified"])


def as_true(state: dict[str, Any]) -> dict[str, Any]:
    return plain(
        {name: state[key] for name, key in FIELDS.items()} | state["financeField"], state["isDatesUnspecified"]
    )


def plain(values: dict[str, Any], is_unspecified: bool | int | None) -> dict[str, Any]:
    """Amounts as decimals, without what is not set, and without dates that are placeholders."""
    dates = {"arrival_date", "departure_date"} if is_unspecified else set()
    return {
        name: Decimal(str(value)).normalize() if isinstance(value, int | float | Decimal) else value
        for name, value in values.items()
        if value is not None and name not in dates
    }


def random_days(number: int = 50) -> Iterator[datetime]:
    """The ends of days of the last two years."""
    rng = Random(7)
    for _ in range(number):
        yield datetime.combine(TODAY - timedelta(rng.randrange(730)), time(), UTC) - timedelta(seconds=1)


def truth(account: Account, moment: datetime) -> dict[int, dict[str, Any]]:
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    return {row["id"]: row for row in account.trails.states_at(text, account.reservations.values())}


@pytest.fixture
def opened(open_account: OpenAccount) -> tuple[SandboxServer, Services]:
    """A small account, synced."""
    sandbox, services = open_account(f"{ID}:1:12")
    synced(services, ID)
    sandbox.counters.reset()
    return sandbox, services


def test_every_past_day_is_as_it_was(open_account: OpenAccount, database_url: str) -> None:
    sandbox, services = open_account(f"{ID}:1:120")
    account = sandbox.world.account(ID)
    synced(services, ID)
    reports = read_all(services)
    assert {report.status for report in reports} == {"succeeded"}
    assert (outcomes(database_url), calls(sandbox)) == ({"whole": 120}, 120)
    past, compared = stored_past(database_url), 0
    assert not any(state["is_reconstructed"] for history in past.values() for state in history)
    for moment in random_days():
        true = truth(account, moment)
        compared += len(true)
        found = {key: state for key, history in past.items() if (state := at(history, moment)) is not None}
        assert found.keys() == true.keys(), moment
        assert {key: as_stored(state) for key, state in found.items()} == {
            key: as_true(state) for key, state in true.items()
        }
    assert compared > 1000
    assert len(rows(database_url, "SELECT 1 FROM hostaway.reservation_versions")) > 50


def test_what_lies_before_the_end_of_a_cut_trail_is_flagged(open_account: OpenAccount, database_url: str) -> None:
    sandbox, services = open_account(f"{ID}:1:120")
    account = sandbox.world.account(ID)
    sandbox.faults.update(trails_since=SINCE, trails_missing=0.1, trails_contradict=0.1)
    synced(services, ID)
    read_all(services)
    found = outcomes(database_url)
    assert found.keys() == {"whole", "cut", "missing", "contradictory"}
    doubtful = {
        row["reservation_id"]: row["outcome"]
        for row in rows(database_url, "SELECT * FROM hostaway.reservation_trails WHERE outcome <> 'whole'")
    }
    past = stored_past(database_url)
    for moment in random_days(10):
        for key, state in truth(account, moment).items():
            stored, outcome = at(past[key], moment), doubtful.get(key, "whole")
            is_told = outcome == "cut" and len(past[key]) > 1 and stored and not stored["is_reconstructed"]
            if outcome == "whole" or is_told:
                assert stored is not None
                assert as_stored(stored) == as_true(state)
    for key, outcome in doubtful.items():
        flags = [state["is_reconstructed"] for state in past[key][:-1]]
        expected = {"cut": flags[:1] + flags[2:] == [True] + [False] * (len(flags) - 2), "contradictory": all(flags)}
        assert not flags or expected[outcome] or flags == [True]


def test_reading_goes_on_where_it_was_aborted(
    open_account: OpenAccount, open_services: OpenServices, database_url: str
) -> None:
    """At most the calls under way are repeated."""
    sandbox, services = open_account(f"{ID}:1:30")
    synced(services, ID)
    sandbox.faults.hold_after = 8
    reading = Thread(target=read_trails, args=(services, ID))
    reading.start()
    wait_until(lambda: sum(outcomes(database_url).values()) >= 4)
    services.abort()
    reading.join(60)
    assert not reading.is_alive()
    sandbox.faults.clear()
    assert 4 <= outcomes(database_url)["whole"] < 30
    read_all(open_services(sandbox))
    assert outcomes(database_url) == {"whole": 30}
    assert calls(sandbox) <= 30 + 4


def test_a_slice_that_is_over_reads_nothing_more(opened: tuple[SandboxServer, Services]) -> None:
    sandbox, services = opened
    report = read_trails(services, ID, seconds=0.0).report
    assert (report.status, report.trails_left, calls(sandbox)) == ("succeeded", 12, 0)


def test_trails_take_their_share_only_and_keep_no_sync_waiting(
    open_sandbox: OpenSandbox, open_services: OpenServices
) -> None:
    """This machine may hold requests up in one slice, but not in all of them."""
    sandbox = open_sandbox(f"{ID}:1:100", "2:1:5", ip_limit=20, window=1.0)
    services = open_services(sandbox, rate_limit_ip="20/1", trails_share="0.2")
    for account_id in (ID, 2):
        add_account(services, account_id)
        synced(services, account_id)

    def share_is_kept() -> bool:
        sandbox.counters.reset()
        reading = Thread(target=read_trails, args=(services, ID), kwargs={"seconds": 4.0})
        reading.start()
        wait_until(lambda: calls(sandbox) >= 4)
        seconds = [synced(services, 2, mode="refresh").seconds for _ in range(3)]
        reading.join()
        times = [arrival.at for arrival in sandbox.counters.arrivals() if arrival.path == LOGS]
        most = max(sum(start <= at < start + 1 for at in times) for start in times)
        return most <= 4 and 6 <= len(times) <= 20 and sandbox.counters.http_429 == 0 and max(seconds) < 3

    assert any(share_is_kept() for _ in range(4))


def test_the_latest_stays_come_first(opened: tuple[SandboxServer, Services]) -> None:
    sandbox, services = opened
    ids, left = History(services.database).trails_to_read(ID, 3)
    arrivals = [sandbox.world.account(ID).reservations[key].own["arrivalDate"] for key in ids]
    others = [row.own["arrivalDate"] for key, row in sandbox.world.account(ID).reservations.items() if key not in ids]
    assert (left, arrivals) == (12, sorted(arrivals, reverse=True))
    assert min(arrivals) >= max(others)


def test_a_reservation_that_came_after_the_first_sync_needs_no_trail(
    opened: tuple[SandboxServer, Services],
) -> None:
    sandbox, services = opened
    sandbox.world.account(ID).add_reservation()
    synced(services, ID)
    assert read_all(services)[-1].trails_left == 0
    assert calls(sandbox) == 12
    assert read_trails(services, ID).report.api_calls == 0


def test_changes_that_we_saw_stay_ours(opened: tuple[SandboxServer, Services], database_url: str) -> None:
    """Trails end where the copy begins, also for reservations that have changed since then."""
    sandbox, services = opened
    account = sandbox.world.account(ID)
    for key in list(account.reservations)[:6]:
        account.update_reservation(key, status="declined", totalPrice=1.0, financeField=[])
    synced(services, ID)
    for key in list(account.reservations)[3:9]:
        account.update_reservation(key, status="expired", totalPrice=2.0, financeField=[])
    read_all(services)
    assert outcomes(database_url) == {"whole": 12}
    past = stored_past(database_url)
    for key in list(account.reservations)[:6]:
        sources = rows(database_url, "SELECT source, status, valid_from FROM hostaway.reservation_versions "
                                     "WHERE reservation_id = %s ORDER BY valid_to", key)  # fmt: skip
        assert [row["source"] for row in sources].count("copy") == 1
        assert sources[-1]["source"] == "copy"
        assert len(sources) == 1 or sources[-1]["valid_from"] is not None
    for moment in random_days():
        true = truth(account, moment)
        for key, state in true.items():
            assert as_stored(at(past[key], moment) or {}) == as_true(state)


@pytest.mark.parametrize(("oddity", "pause"), [("404", timedelta(days=1)), ("500", timedelta(hours=1))])
def test_an_endpoint_that_is_away_costs_few_calls_and_stops_no_sync(
    open_account: OpenAccount, database_url: str, oddity: str, pause: timedelta
) -> None:
    """Five failures, and what is under way beside the fifth; with answers as slow as Hostaway's."""
    sandbox, services = open_account(f"{ID}:1:40")
    synced(services, ID)
    sandbox.faults.update(odd_answers={LOGS: oddity})
    sandbox.config.latency = 0.2
    report, again_in = read_trails(services, ID)
    sandbox.config.latency = 0.0
    assert (report.status, again_in, report.error) == ("incomplete", pause, None)
    assert 5 <= calls(sandbox) <= 16
    assert set(outcomes(database_url)) == {"failed"}
    assert services.accounts.get(ID).failures == 0
    assert synced(services, ID).status == "succeeded"


def test_a_single_reservation_without_a_trail_is_missing(
    opened: tuple[SandboxServer, Services], database_url: str
) -> None:
    sandbox, services = opened
    [gone, failing] = list(sandbox.world.account(ID).reservations)[4:6]
    odd = {LOGS.replace("{id}", str(gone)): "404", LOGS.replace("{id}", str(failing)): "500"}
    sandbox.faults.update(odd_answers=odd)
    assert read_all(services)[-1].trails_left == 0
    assert outcomes(database_url) == {"whole": 10, "missing": 1, "failed": 1}
    rows(database_url, "UPDATE hostaway.reservation_trails SET read_at = read_at - interval '2 days' RETURNING 1")
    sandbox.faults.odd_answers = {}
    assert read_all(services)[-1].api_calls == 1
    assert outcomes(database_url) == {"whole": 11, "missing": 1}


def test_nothing_personal_is_stored(opened: tuple[SandboxServer, Services], database_url: str) -> None:
    sandbox, services = opened
    account = sandbox.world.account(ID)
    key = next(iter(account.reservations))
    account.update_reservation(key, guestName="Planted Person", doorCode="4711-planted")
    read_all(services)
    text = str(rows(database_url, "SELECT v::text, t::text FROM hostaway.reservation_versions AS v, "
                                  "hostaway.reservation_trails AS t")).lower()  # fmt: skip
    assert "hosts.example.com" not in text
    assert "planted" not in text


def test_a_new_account_is_due_for_trails_once_it_is_synced(open_account: OpenAccount, database_url: str) -> None:
    _, services = open_account(f"{ID}:1:5")
    services.cadences.plan_missing()
    synced(services, ID)
    found = list(DueAccounts(services, "trails", "run", lifetime=60, linger=0))
    assert [(one.claim.mode, one.report.entities["trails"].fetched) for one in found] == [("trails", 5)]
    assert History(services.database).progress() == {ID: (5, 5)}
    assert list(DueAccounts(services, "trails", "run", lifetime=60, linger=0)) == []
    assert services.accounts.get(ID).failures == 0
