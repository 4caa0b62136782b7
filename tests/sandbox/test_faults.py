"""Faults of a real API, switched on while the sandbox runs."""

import socket
import threading
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, IncompleteRead

import pytest
import requests

from hostaway_pipeline.sandbox import SandboxAccount, SandboxConfig, SandboxServer
from hostaway_pipeline.sandbox.rules.faults import Faults
from tests.waiting import wait_until


@pytest.fixture
def api(start):
    """Two accounts; the token requests are not counted."""
    api = start("59808:3:40 2:3:5")
    api.server.counters.reset()
    return api


def is_answered(api):
    try:
        api.http.get(f"{api.server.url}/listings", timeout=(60, 0.25))
    except requests.ReadTimeout:
        return False
    return True


def test_a_dead_account_answers_503_and_the_others_do_not(api):
    other = api.as_account(2)
    api.server.faults.dead_accounts = {2}
    assert (other.get("/listings").status_code, api.get("/listings").status_code) == (503, 200)


def test_a_dead_account_gets_no_token(api):
    api.control("/faults", {"dead_accounts": [59808]})
    assert api.ask_token().status_code == 503


def test_a_hanging_request_is_never_answered(api):
    api.server.faults.hang_share = 1.0
    assert not is_answered(api)


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_dribbling_answer_never_ends(api, part):
    """A timeout between bytes does not end it, but the client can, and the server can stop."""
    api.server.faults.dribble = part
    host = api.server.root_url.removeprefix("http://").split(":")
    with socket.create_connection((host[0], int(host[1])), timeout=60) as connection:
        request = f"GET /v1/listings HTTP/1.1\r\nHost: x\r\nAuthorization: {api.http.headers['Authorization']}\r\n\r\n"
        connection.sendall(request.encode())
        came, began = b"", time.monotonic()
        while len(slow := came.partition(b"\r\n\r\n" if part == "body" else b"x-slow: ")[2]) < 5 or (
            time.monotonic() - began < 1.5
        ):
            more = connection.recv(65536)
            assert more, "it has ended"
            came += more
    assert came.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"\r\n\r\n" in came, slow[:5]) == ((True, b'{"sta') if part == "body" else (False, b"xxxxx"))
    api.server.faults.clear()
    assert api.get("/listings").status_code == 200


def test_a_hanging_request_does_not_block_others(api):
    api.server.faults.hang_share = 1.0
    waiting = threading.Thread(target=is_answered, args=(api,))
    waiting.start()
    wait_until(lambda: api.server.counters.max_in_flight == 1)
    api.server.faults.hang_share = 0.0
    assert api.with_new_token().get("/listings").status_code == 200
    waiting.join()


def test_a_hanging_request_has_taken_effect(api):
    """So a POST must not simply be repeated."""
    path = api.messages_path()
    before = len(list(api.account.truth("messages")))
    api.server.faults.hang_share = 1.0
    with pytest.raises(requests.ReadTimeout):
        api.http.post(f"{api.server.url}{path}", json={"body": "hi"}, timeout=(60, 0.25))
    wait_until(lambda: len(list(api.account.truth("messages"))) == before + 1)


def test_a_hanging_request_ends_with_its_client(api):
    api.server.faults.hang_share = 1.0
    is_answered(api)
    api.http.close()
    wait_until(lambda: api.server.counters.by_status() == {499: 1})


def test_a_hanging_request_does_not_keep_the_server_from_stopping():
    with SandboxServer(SandboxConfig(accounts=(SandboxAccount(1, 1, 1),))) as server:
        server.faults.hang_share = 1.0
        with socket.create_connection(("127.0.0.1", int(server.root_url.rsplit(":", 1)[1]))) as client:
            client.sendall(b"GET /v1/listings HTTP/1.1\r\nHost: sandbox\r\n\r\n")
            wait_until(lambda: server.counters.max_in_flight == 1)
            others = set(threading.enumerate())
            server.stop()
            ended = others - set(threading.enumerate())
    assert "hostaway-sandbox" in {thread.name for thread in ended}


def test_a_refused_request_does_not_hang(api):
    """A refused request counts as 429, not as unanswered."""
    api.server.faults.hang_share = 1.0
    api.server.limits.update(ip=0)
    assert api.statuses(1) == [429]


def test_which_requests_hang_depends_on_the_seed(api):
    def hung(seed):
        api.server.faults.update(hang_share=0.3, seed=seed)
        return [api.server.faults.hangs(None) for _ in range(8)]

    first = hung(7)
    assert (first, set(first)) == (hung(7), {True, False})


def test_one_fault_does_not_affect_another():
    alone, together = Faults(cut_share=0.5), Faults(cut_share=0.5, hang_share=0.5, error_share=0.5)
    cuts = [(together.error_status(1), together.hangs(None), together.is_cut())[-1] for _ in range(50)]
    assert cuts == [alone.is_cut() for _ in range(50)]


def test_a_cut_connection_ends_in_the_middle_of_the_body(api):
    whole = api.get("/reservations").content
    api.server.faults.cut_share = 1.0
    connection = HTTPConnection(api.server.root_url.removeprefix("http://"), timeout=60)
    connection.request("GET", "/v1/reservations", headers=dict(api.http.headers))
    answer = connection.getresponse()
    with pytest.raises(IncompleteRead) as cut:
        answer.read()
    assert (answer.headers["Content-Length"], cut.value.partial) == (str(len(whole)), whole[: len(whole) // 2])
    connection.close()


def test_a_cut_connection_is_an_error_to_requests(api):
    api.server.faults.cut_share = 1.0
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api.get("/listings")


def test_a_storm_refuses_everything_until_it_ends(api):
    api.server.faults.storm_seconds = 60.0
    assert api.statuses(3) == [429] * 3
    began = time.monotonic()
    api.server.faults.storm_seconds = 0.4
    wait_until(lambda: api.statuses(1) == [200])
    assert time.monotonic() - began >= 0.4


def test_a_storm_counts_as_429s(api):
    api.server.faults.storm_seconds = 60.0
    api.statuses(3)
    assert (api.server.counters.http_429, api.server.counters.peak()) == (3, 0)


def test_a_storm_does_not_use_up_a_limit(api):
    api.server.limits.update(ip=3, window=60)
    api.server.limits.clear()
    api.server.faults.storm_seconds = 60.0
    assert api.statuses(5) == [429] * 5
    api.server.faults.storm_seconds = 0.0
    assert api.statuses(4) == [200, 200, 200, 429]


def test_a_429_of_a_storm_names_its_end(api):
    before = time.time()
    api.server.faults.storm_seconds = 60.0
    end = int(api.get("/listings").headers["X-RateLimit-Retry-After"])
    assert before + 60 <= end <= time.time() + 61


def test_a_storm_uses_the_style_of_the_retry_header(api):
    api.server.limits.update(retry_after_style="http-date")
    before = time.time()
    api.server.faults.storm_seconds = 60.0
    end = parsedate_to_datetime(api.get("/listings").headers["Retry-After"]).timestamp()
    assert before + 60 <= end <= time.time() + 61


def test_a_storm_may_refuse_only_a_share_of_requests(api):
    api.server.faults.update(storm_seconds=60.0, storm_share=0.5)
    assert set(api.statuses(20)) == {200, 429}


def test_a_storm_ends_when_faults_are_cleared(api):
    api.server.faults.storm_seconds = 60.0
    api.server.faults.clear()
    assert api.statuses(1) == [200]


def test_tokens_are_revoked_once_after_so_many_requests(api):
    api.server.faults.revoke_after = 2
    assert api.statuses(4) == [200, 200, 403, 403]
    assert api.with_new_token().statuses(4) == [200] * 4


def test_all_tokens_of_the_account_are_revoked(api):
    other_token = api.with_new_token()
    api.server.faults.revoke_after = 0
    assert [client.get("/listings").status_code for client in (api, other_token)] == [403, 403]


def test_tokens_of_other_accounts_stay_valid(api):
    other = api.as_account(2)
    api.server.faults.revoke_after = 0
    assert [client.get("/listings").status_code for client in (api, other)] == [403, 200]


def test_the_account_whose_tokens_are_revoked_can_be_chosen(api):
    other = api.as_account(2)
    api.server.faults.update(revoke_after=1, revoke_account=2)
    assert [client.get("/listings").status_code for client in (api, api, other, api, other)] == [
        200,
        200,
        200,
        200,
        403,
    ]


def test_requests_without_a_good_token_revoke_nothing(api):
    api.server.faults.revoke_after = 0
    requests.get(f"{api.server.url}/listings", timeout=60)
    api.ask_token()
    assert api.server.faults.revoke_after == 0
