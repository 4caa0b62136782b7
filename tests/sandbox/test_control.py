"""Counters, faults and the routes that look behind the sandbox."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from hostaway_pipeline.sandbox.config import SandboxConfig
from hostaway_pipeline.sandbox.counters import busiest
from hostaway_pipeline.sandbox.server import SandboxServer, serve


@pytest.fixture
def fresh(start):
    """A sandbox whose counters have not seen the token request."""
    api = start()
    api.server.counters.reset()
    return api


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
    assert (fresh.server.counters.peak(), fresh.server.counters.http_429) == (5, 3)


def test_the_peak_slides():
    assert busiest([0, 1, 9, 10, 10.5, 11, 30], 10.0) == 4


def test_arrivals_are_in_order_of_time(fresh):
    for _ in range(5):
        fresh.get("/listings")
    times = [arrival.at for arrival in fresh.server.counters.arrivals()]
    assert times == sorted(times)


def test_concurrent_requests_are_counted(start):
    api = start(latency=0.2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: requests.get(f"{api.server.url}/listings", timeout=5), range(4)))
    assert api.server.counters.max_in_flight == 4


def test_latency_delays_an_answer_and_blocks_no_other(start):
    api = start(latency=0.2)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: requests.get(f"{api.server.url}/listings", timeout=5), range(8)))
    assert 0.2 <= time.monotonic() - began < 0.8


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


def test_accounts_over_http(fresh):
    assert fresh.control("/accounts").json()[0]["reservations"] == 40


@pytest.mark.parametrize("kind", ["listings", "reservations", "conversations", "messages"])
def test_truth_over_http(fresh, kind):
    assert fresh.control(f"/accounts/59808/{kind}").json() == list(fresh.account.truth(kind))


def test_truth_of_some_fields(fresh):
    assert fresh.control("/accounts/59808/listings?fields=id").json()[0].keys() == {"id"}


def test_unknown_truth_is_404(fresh):
    assert fresh.control("/accounts/59808/owners").status_code == 404


def test_touch_over_http(fresh):
    reservation_id = list(fresh.account.reservations)[7]
    fresh.control(f"/accounts/59808/reservations/{reservation_id}/touch", {})
    assert fresh.result("/reservations", limit=1)[0]["id"] == reservation_id


def test_message_over_http(fresh):
    conversation_id = next(iter(fresh.account.conversations))
    body = {"body": "from outside", "is_incoming": True}
    added = fresh.control(f"/accounts/59808/conversations/{conversation_id}/message", body).json()
    assert fresh.result(f"/conversations/{conversation_id}")["messageReceivedOn"] == added["date"]


def test_down_is_503(fresh):
    fresh.server.faults.down = True
    assert fresh.get("/listings").status_code == 503


def test_html_comes_with_a_200(fresh):
    fresh.server.faults.body = "html"
    answer = fresh.get("/listings")
    assert (answer.status_code, answer.text[:5]) == (200, "<html")


def test_truncated_bodies_are_no_json(fresh):
    fresh.server.faults.body = "truncated"
    with pytest.raises(requests.JSONDecodeError):
        fresh.get("/listings").json()


@pytest.mark.parametrize(("answer", "count"), [("full", 3), ("half", 1), ("empty", 0)])
def test_a_shrunken_listing_list_has_a_count_that_agrees(fresh, answer, count):
    fresh.server.faults.listings_answer = answer
    listed = fresh.get("/listings").json()
    assert (len(listed["result"]), listed["count"]) == (count, count)


def test_a_share_of_requests_fails(fresh):
    fresh.server.faults.error_share = 0.5
    statuses = [fresh.get("/listings").status_code for _ in range(60)]
    assert 10 < sum(status >= 500 for status in statuses) < 50


def test_a_share_of_bodies_is_garbled(fresh):
    fresh.server.faults.garbled_share = 0.5
    lengths = {len(fresh.get("/reservations").content) for _ in range(30)}
    assert min(lengths) == max(lengths) // 2


def test_page_caps_can_be_lowered(fresh):
    fresh.server.faults.page_cap = 10
    assert len(fresh.result("/reservations", limit=500)) == 10


def test_faults_over_http(fresh):
    fresh.control("/faults", {"down": True})
    assert fresh.get("/listings").status_code == 503


def test_an_unknown_fault_is_400(fresh):
    assert fresh.control("/faults", {"sideways": True}).status_code == 400


def test_clearing_faults_brings_it_back(fresh):
    fresh.server.faults.update(down=True, error_share=1.0)
    fresh.server.faults.clear()
    assert fresh.get("/listings").status_code == 200


def test_it_starts_within_a_second():
    began = time.monotonic()
    with SandboxServer():
        assert time.monotonic() - began < 1


def test_it_stops_with_the_block():
    with SandboxServer(SandboxConfig(accounts=())) as server:
        pass
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=1)


def test_no_thread_is_left_behind():
    with SandboxServer(SandboxConfig(accounts=())):
        pass
    assert "hostaway-sandbox" not in {thread.name for thread in threading.enumerate()}


def test_a_taken_port_is_an_os_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            serve(SandboxConfig(), port=taken.getsockname()[1])
