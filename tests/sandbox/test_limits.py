"""Rate limits: sliding windows by arrival, refused requests do not count, and the retry header is a timestamp."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from hostaway_pipeline.sandbox.config import SandboxConfig
from tests.waiting import wait_until


def refused(api: Any) -> requests.Response:
    """Use up the limit; returns the 429."""
    answers: list[requests.Response] = [api.get("/listings") for _ in range(5)]
    return next(answer for answer in answers if answer.status_code == 429)


class FromAddress(HTTPAdapter):
    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **kwargs)


@pytest.mark.parametrize("limit", ["ip_limit", "account_limit"])
def test_the_token_request_counts_too(start, limit):
    api = start(**{limit: 4})
    assert [api.get("/listings").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_200_per_10_seconds_by_default(start):
    config = SandboxConfig()
    assert (config.ip_limit, config.account_limit, config.window) == (200, 200, 10.0)
    api = start(ip_limit=200, account_limit=200)
    assert [api.get("/listings/1").status_code for _ in range(200)].count(429) == 1


def test_refused_requests_do_not_prolong_the_wait(start):
    api = start(ip_limit=3)
    refused(api)
    api.control("/limits", {"window": 0.8})
    wait_until(lambda: api.get("/listings").status_code == 200)


def test_accounts_behind_one_ip_share_its_limit(start):
    api = start("59808:3:40 2:5:10", ip_limit=4)
    other = api.as_account(2)
    assert [client.get("/listings").status_code for client in (api, other, api)] == [200, 200, 429]


def test_another_ip_has_its_own_limit(start):
    api = start(ip_limit=3)
    refused(api)
    api.http.mount("http://", FromAddress("127.0.0.9"))
    assert api.get("/listings").status_code == 200


def test_an_account_has_one_limit_for_all_ips(start):
    api = start(account_limit=3)
    refused(api)
    api.http.mount("http://", FromAddress("127.0.0.9"))
    assert api.get("/listings").status_code == 429


def test_only_a_429_has_rate_limit_headers(start):
    api = start(ip_limit=3)
    assert not [name for name in api.get("/listings").headers if name.lower().startswith("x-ratelimit")]


def test_a_429_is_a_fail_with_a_message(start):
    assert refused(start(ip_limit=3)).json().keys() == {"status", "message"}


def test_a_429_names_the_limit(start):
    headers = refused(start(ip_limit=3)).headers
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("3", "0")


def test_retry_after_is_a_unix_timestamp(start):
    before = time.time()
    free_at = int(refused(start(ip_limit=3)).headers["X-RateLimit-Retry-After"])
    assert before + 600 <= free_at <= time.time() + 601


def test_retry_after_may_come_in_seconds(start):
    seconds = int(refused(start(ip_limit=3, retry_after_style="seconds")).headers["Retry-After"])
    assert 500 < seconds <= 600


def test_retry_after_may_come_as_a_date(start):
    before = time.time()
    header = refused(start(ip_limit=3, retry_after_style="http-date")).headers["Retry-After"]
    assert before + 600 <= parsedate_to_datetime(header).timestamp() <= time.time() + 601


def test_limits_can_be_lowered_at_run_time(start):
    api = start(ip_limit=200)
    api.get("/listings")
    api.server.limits.ip.limit = 1
    assert api.get("/listings").status_code == 429


def test_limits_can_be_changed_over_http(start):
    """Hostaway's real limits may be lower than the published ones."""
    api = start()
    api.control("/limits", {"ip": 3, "account": 20, "window": 60})
    assert [api.get("/listings").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_limit_of_one_account_can_be_changed_over_http(start):
    api = start("59808:3:40 2:5:10")
    api.control("/limits", {"account": 1})
    others = api.as_account(2)
    assert [client.get("/listings").status_code for client in (api, api, others)] == [200, 429, 429]


def test_a_changed_window_applies_to_earlier_requests(start):
    api = start(ip_limit=2)
    statuses = [api.get("/listings").status_code for _ in range(2)]
    api.control("/limits", {"window": 0.5})
    time.sleep(0.51)
    assert [*statuses, api.get("/listings").status_code] == [200, 429, 200]


def test_a_changed_limit_names_the_time_in_its_429(start):
    api, before = start(), time.time()
    api.control("/limits", {"ip": 1, "window": 90})
    free_at = int(refused(api).headers["X-RateLimit-Retry-After"])
    assert before + 90 <= free_at <= time.time() + 91


def test_the_style_of_the_retry_header_can_be_changed(start):
    api = start()
    api.control("/limits", {"ip": 1, "retry_after_style": "seconds"})
    assert 500 < int(refused(api).headers["Retry-After"]) <= 600


def test_limits_can_be_switched_off_over_http(start):
    api = start(ip_limit=2)
    changed = api.control("/limits", {"ip": None}).json()
    assert (changed["ip"], [api.get("/listings").status_code for _ in range(3)]) == (None, [200, 200, 200])


def test_limits_can_be_read_over_http(start):
    assert start(ip_limit=15, account_limit=20, window=10.0).control("/limits").json() == {
        "ip": 15,
        "account": 20,
        "window": 10.0,
        "sends": 30,
        "send_window": 60.0,
        "retry_after_style": "unix",
    }


@pytest.mark.parametrize("invalid", [{"ip": -1}, {"window": 0}, {"hosts": 3}, {"account": "few"}])
def test_an_invalid_limit_is_400_and_changes_nothing(start, invalid):
    api = start(ip_limit=15)
    answer = api.control("/limits", {"ip": 3} | invalid)
    assert (answer.status_code, api.control("/limits").json()["ip"]) == (400, 15)


def test_sending_has_a_limit_of_its_own(start):
    api = start(send_limit=2)
    path = api.messages_path()
    assert [api.post(path, {"body": "hi"}).status_code for _ in range(3)] == [200, 200, 429]


def test_reading_continues_while_sending_is_limited(start):
    api = start(send_limit=0)
    api.post(api.messages_path(), {"body": "hi"})
    assert api.get("/listings").status_code == 200


def test_control_routes_are_not_limited(start):
    api = start(ip_limit=1)
    assert {requests.get(f"{api.server.root_url}/_sandbox/counters", timeout=60).status_code for _ in range(5)} == {200}
