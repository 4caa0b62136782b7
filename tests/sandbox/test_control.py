"""The control routes, simple faults, and how the sandbox starts and stops."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from hostaway_pipeline.sandbox.config import SandboxConfig
from hostaway_pipeline.sandbox.server import SandboxServer, serve
from tests.waiting import wait_until


def test_latency_delays_an_answer_without_blocking_others(start):
    api = start()
    api.server.config.latency = 0.2
    began = time.monotonic()
    api.get("/listings")
    assert time.monotonic() - began >= 0.2

    api.server.config.latency = 60
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(requests.get, f"{api.server.url}/listings", timeout=60) for _ in range(8)]
        wait_until(lambda: api.server.counters.max_in_flight == 8)
        assert not any(answer.done() for answer in answers)
        api.server.config.latency = 0


def test_accounts_over_http(fresh):
    assert fresh.control("/accounts").json()[0]["reservations"] == 40


@pytest.mark.parametrize("kind", ["listings", "reservations", "conversations", "messages"])
def test_truth_over_http(fresh, kind):
    assert fresh.control(f"/accounts/59808/{kind}").json() == list(fresh.account.truth(kind))


def test_truth_can_be_limited_to_some_fields(fresh):
    assert fresh.control("/accounts/59808/listings?fields=id").json()[0].keys() == {"id"}


def test_truth_of_an_unknown_entity_is_404(fresh):
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


def break_a_reservation(api, key):
    """Cause a bug of the sandbox: remove a key from a row."""
    reservation_id, row = next(iter(api.account.reservations.items()))
    del row.own[key]
    return reservation_id


def test_a_bug_of_the_sandbox_is_a_500_and_not_a_404(fresh):
    break_a_reservation(fresh, "latestActivityOn")
    answer = fresh.get("/reservations", latestActivityStart="2020-01-01")
    assert (answer.status_code, fresh.server.counters.by_status()) == (500, {500: 1})


def test_a_bug_in_a_control_route_is_a_500_too(fresh):
    reservation_id = break_a_reservation(fresh, "updatedOn")
    assert fresh.control(f"/accounts/59808/reservations/{reservation_id}/touch", {}).status_code == 500


def test_a_bug_of_the_sandbox_is_logged(fresh, caplog):
    break_a_reservation(fresh, "latestActivityOn")
    fresh.get("/reservations", latestActivityStart="2020-01-01")
    assert "the sandbox failed at /v1/reservations" in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/1/reservations",
        "/accounts/59808/reservations/1/touch",
        "/accounts/59808/reservations/1/delete",
        "/accounts/59808/reservations/1/restore",
        "/accounts/59808/reservations/1/explode",
        "/accounts/59808/listings/1/update",
        "/accounts/59808/listings/1/delete",
        "/accounts/59808/listings/1/restore",
        "/accounts/59808/conversations/1/delete",
    ],
)
def test_changing_an_unknown_object_is_404(fresh, path):
    assert fresh.control(path, {}).status_code == 404


def test_down_is_503(fresh):
    fresh.server.faults.down = True
    assert fresh.get("/listings").status_code == 503


def test_an_html_body_comes_with_a_200(fresh):
    fresh.server.faults.body = "html"
    answer = fresh.get("/listings")
    assert (answer.status_code, answer.text[:5]) == (200, "<html")


def test_a_truncated_body_is_not_json(fresh):
    fresh.server.faults.body = "truncated"
    with pytest.raises(requests.JSONDecodeError):
        fresh.get("/listings").json()


@pytest.mark.parametrize(("answer", "count"), [("full", 3), ("half", 1), ("empty", 0)])
def test_a_shortened_listing_list_has_a_matching_count(fresh, answer, count):
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


def test_faults_over_http(fresh):
    fresh.control("/faults", {"down": True})
    assert fresh.get("/listings").status_code == 503


@pytest.mark.parametrize("invalid", [{"sideways": True}, {"hang_share": 2}, {"body": "xml"}, {"page_cap": 0}])
def test_an_invalid_fault_is_400_and_switches_nothing(fresh, invalid):
    answer = fresh.control("/faults", {"down": True} | invalid)
    assert (answer.status_code, fresh.server.faults.down) == (400, False)


def test_faults_can_be_read_over_http(fresh):
    fresh.server.faults.dead_accounts = {3, 2}
    assert fresh.control("/faults").json() == fresh.server.faults.switches() | {"dead_accounts": [2, 3]}


def test_clearing_the_faults_restores_normal_answers(fresh):
    fresh.server.faults.update(down=True, error_share=1.0)
    fresh.server.faults.clear()
    assert fresh.get("/listings").status_code == 200


def test_its_accounts_are_generated_within_a_second():
    """Of the processor's time: others may use it as well."""
    began = time.thread_time()
    with SandboxServer():
        assert time.thread_time() - began < 1


def test_it_stops_at_the_end_of_the_block():
    with SandboxServer(SandboxConfig(accounts=())) as server:
        pass
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url, timeout=60)


def test_no_thread_is_left_behind():
    before = set(threading.enumerate())
    with SandboxServer(SandboxConfig(accounts=())):
        assert set(threading.enumerate()) > before
    left = set(threading.enumerate()) - before
    assert [thread.name for thread in left if thread.name.startswith("hostaway")] == []


def test_a_taken_port_is_an_os_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            serve(SandboxConfig(), port=taken.getsockname()[1])
