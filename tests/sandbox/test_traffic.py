"""Traffic: changes by guests and hosts while the server runs."""

import threading
import time
from collections import Counter
from random import Random

import pytest

from hostaway_pipeline.sandbox import SandboxAccount, SandboxConfig, SandboxServer
from hostaway_pipeline.sandbox.world.traffic import change
from hostaway_pipeline.sandbox.world.world import World
from tests.waiting import wait_until

MOVES = 0.05
MIX = {"update_reservation": 0.5 - MOVES, "touch_reservation": 0.1 + MOVES, "add_reservation": 0.1, "add_message": 0.3}
"""Shares of the changes; the stays that move are touched."""


def traffic_threads():
    return [thread for thread in threading.enumerate() if thread.name == "hostaway-traffic"]


@pytest.fixture
def account():
    return World(SandboxConfig(accounts=(SandboxAccount(1, 3, 200),))).account(1)


def calls_of(account, monkeypatch):
    """Counts the calls of each method that changes the account."""
    calls: Counter[str] = Counter()

    def counted(name, method):
        def call(*args, **options):
            calls[name] += 1
            return method(*args, **options)

        return call

    for name in (*MIX, "add_conversation"):
        monkeypatch.setattr(account, name, counted(name, getattr(account, name)))
    return calls


def test_the_mix_of_changes(account, monkeypatch):
    calls = calls_of(account, monkeypatch)
    rng = Random(1)
    for _ in range(2000):
        change(account, rng)
    assert {name: calls[name] / 2000 for name in MIX} == pytest.approx(MIX, abs=0.04)
    assert 0 < calls["add_conversation"] < calls["add_message"] / 2


def test_a_tenth_of_the_updates_moves_a_stay(account):
    known = {row["id"]: (row["arrivalDate"], row["departureDate"]) for row in account.truth("reservations")}
    moved = []

    def look(_, event):
        if event.kind == "reservation":
            dates = event.data["arrivalDate"], event.data["departureDate"]
            moved.append(known.get(event.data["id"], dates) != dates)
            known[event.data["id"]] = dates

    account.on_event = look
    rng = Random(1)
    for _ in range(2000):
        change(account, rng)
    assert sum(moved) / 2000 == pytest.approx(MOVES, abs=0.015)


def test_updates_change_names_prices_status_and_dates(account):
    before = {row["id"]: row for row in account.truth("reservations")}
    rng = Random(1)
    for _ in range(500):
        change(account, rng)
    after = [row for row in account.truth("reservations") if row["id"] in before]
    changed = {key for row in after for key in row if row[key] != before[row["id"]][key]}
    amounts = {"totalPrice", "taxAmount", "cleaningFee", "channelCommissionAmount", "financeField"}
    cancellation = {"cancellationDate", "cancelledBy"}
    dates = {"arrivalDate", "departureDate", "nights", "previousArrivalDate", "previousDepartureDate"}
    assert changed == {"guestName", "status", "updatedOn", "latestActivityOn"} | amounts | cancellation | dates


def test_traffic_fills_an_empty_account():
    empty = World(SandboxConfig(accounts=(SandboxAccount(1, 0, 0),))).account(1)
    change(empty, Random(1))
    assert len(empty.reservations) == 1


def test_the_same_seed_makes_the_same_changes():
    def changed():
        account = World(SandboxConfig(accounts=(SandboxAccount(1, 3, 50),))).account(1)
        rng = Random(7)
        for _ in range(100):
            change(account, rng)
        shown = ("id", "guestName", "status", "arrivalDate", "departureDate", "totalPrice")
        return [[row[key] for key in shown] for row in account.truth("reservations")]

    assert changed() == changed()


def test_there_is_no_traffic_by_default(start):
    others = set(traffic_threads())
    api = start()
    assert api.control("/traffic").json() == {"per_second": 0, "changes": 0}
    assert set(traffic_threads()) <= others


def come_to_rest(api):
    """Wait until the last change has been made."""

    def is_still():
        before = api.server.traffic.changes
        time.sleep(0.1)
        return api.server.traffic.changes == before

    wait_until(is_still)


def test_all_accounts_change(start):
    api = start("59808:3:40 2:3:40", traffic=200)
    wait_until(lambda: api.server.traffic.changes >= 60)
    api.server.traffic.per_second = 0
    newest = [api.result("/reservations")[0]["updatedOn"] for api in (api, api.as_account(2))]
    assert min(newest) > api.server.config.today


def test_the_rate_can_be_changed_at_run_time(start):
    """A slow rate does not delay a switch to a fast one, or to none."""
    api = start(traffic=0.001)
    assert api.control("/traffic", {"per_second": 300}).json()["per_second"] == 300
    wait_until(lambda: api.server.traffic.changes >= 30)
    api.control("/traffic", {"per_second": 0})
    come_to_rest(api)
    assert api.control("/traffic").json() == {"per_second": 0, "changes": api.server.traffic.changes}


def test_a_faster_rate_does_not_start_with_a_burst(start):
    """This machine may pause in one try, and the traffic catches up on that, but not in all of them."""
    api = start(traffic=0.001)
    fewest = 1000
    for _ in range(5):
        time.sleep(0.5)
        before = api.server.traffic.changes
        api.control("/traffic", {"per_second": 20})
        time.sleep(0.15)
        fewest = min(fewest, api.server.traffic.changes - before)
        if fewest < 10:
            break
        api.control("/traffic", {"per_second": 0.001})
    assert fewest < 10


@pytest.mark.parametrize("rate", [-1, "fast", None, True])
def test_an_invalid_rate_is_400(fresh, rate):
    assert fresh.control("/traffic", {"per_second": rate}).status_code == 400


def test_traffic_reaches_the_webhooks(start_hooked, receiver):
    api = start_hooked()
    api.server.traffic.per_second = 300
    wait_until(lambda: len(set(receiver.events)) == 3)
    api.server.traffic.per_second = 0
    come_to_rest(api)
    wait_until(lambda: api.server.deliveries.pending == 0)
    assert api.server.deliveries.counts()["delivered"] == len(receiver.deliveries)


def test_traffic_ends_with_the_server():
    others = set(traffic_threads())
    with SandboxServer(SandboxConfig(accounts=(SandboxAccount(1, 1, 1),), traffic=1)):
        [thread] = set(traffic_threads()) - others
    assert not thread.is_alive()
