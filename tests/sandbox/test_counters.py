"""Counters of the requests, from Python and over HTTP."""

import math
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from hostaway_pipeline.sandbox.rules.counters import busiest
from tests.waiting import wait_until


def test_calls_are_counted_per_path_template(fresh):
    for conversation_id in list(fresh.account.conversations)[:3]:
        fresh.get(f"/conversations/{conversation_id}/messages")
    assert fresh.server.counters.calls() == {"/v1/conversations/{id}/messages": 3}


def test_token_requests_are_counted_with_their_method(fresh):
    fresh.ask_token()
    assert fresh.server.counters.calls() == {"POST /v1/accessTokens": 1}


def test_statuses_are_counted(fresh):
    fresh.get("/listings/1")
    fresh.get("/listings")
    assert fresh.server.counters.by_status() == {404: 1, 200: 1}


def test_calls_are_counted_per_account(fresh):
    fresh.get("/listings")
    assert fresh.server.counters.by_account() == {59808: 1}


def test_the_peak_counts_accepted_arrivals(fresh):
    fresh.server.limits.ip.limit = 5
    for _ in range(8):
        fresh.get("/listings")
    assert (fresh.server.counters.peak(seconds=600), fresh.server.counters.http_429) == (5, 3)


def test_the_peak_is_that_of_a_sliding_window():
    assert busiest([0, 1, 9, 10, 10.5, 11, 30], 10.0) == 4


def test_the_busiest_account_has_its_own_peak(start):
    """Of two accounts behind one IP, each may be below its limit while the IP is at its own."""
    api = start("59808:3:5 2:3:5")
    other = api.as_account(2)
    api.server.counters.reset()
    for client in (api, api, other):
        client.get("/listings")
    counters, long = api.server.counters, 600
    assert (counters.peak(seconds=long), counters.account_peak(seconds=long)) == (3, 2)
    assert counters.account_peaks(long) == {59808: 2, 2: 1}


def test_the_window_of_the_peak_can_be_chosen_over_http(fresh):
    for _ in range(3):
        fresh.get("/listings")
        time.sleep(0.2)
    peaks = [fresh.control(f"/counters?seconds={seconds}").json()["peak"] for seconds in (600, 0.1)]
    assert peaks == [{"seconds": 600, "ip": 3, "account": 3}, {"seconds": 0.1, "ip": 1, "account": 1}]


def test_accepted_requests_are_counted_between_two_times(fresh):
    fresh.get("/listings")
    between = time.monotonic()
    fresh.server.limits.update(account=2)
    for _ in range(3):
        fresh.get("/listings")
    counters = fresh.server.counters
    assert (counters.accepted_between(0, between), counters.accepted_between(between, math.inf)) == (
        {59808: 1},
        {59808: 2},
    )


def test_arrivals_can_be_read_over_http(fresh):
    before = time.monotonic()
    fresh.get("/listings/1")
    (arrival,) = fresh.control("/arrivals").json()
    assert arrival[1:] == [59808, "/v1/listings/{id}", 404]
    assert before <= arrival[0] <= time.monotonic()


def test_arrivals_are_in_order_of_time(fresh):
    for _ in range(5):
        fresh.get("/listings")
    times = [arrival.at for arrival in fresh.server.counters.arrivals()]
    assert times == sorted(times)


def test_concurrent_requests_are_counted(start):
    api = start()
    api.server.config.latency = 60
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(requests.get, f"{api.server.url}/listings", timeout=60)
        wait_until(lambda: api.server.counters.max_in_flight == 4)
        api.server.config.latency = 0


def test_counters_over_http(fresh):
    fresh.get("/listings")
    assert fresh.control("/counters").json()["calls"] == {"/v1/listings": 1}


def test_control_routes_are_not_counted(fresh):
    fresh.control("/accounts")
    assert fresh.server.counters.total == 0


def test_reset_over_http(fresh):
    fresh.get("/listings")
    fresh.control("/reset", {})
    assert fresh.server.counters.total == 0
