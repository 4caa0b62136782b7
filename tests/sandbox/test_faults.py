"""Faults and drift: what goes wrong with a real API, switched on while the sandbox runs."""

import time

import pytest
import requests

from hostaway_pipeline.sandbox import SandboxAccount, SandboxConfig, SandboxServer


@pytest.fixture
def sandbox():
    config = SandboxConfig(accounts=(SandboxAccount(1, 3, 40), SandboxAccount(2, 3, 5)), token_delay=0.0, ip_limit=None)
    with SandboxServer(config) as running:
        yield running


def get(sandbox, path="/listings", account_id=1, **options):
    token = sandbox.tokens.issue(account_id)
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(sandbox.url + path, headers=headers, **{"timeout": 5} | options)


def test_a_dead_account_answers_503_and_the_others_live(sandbox):
    sandbox.faults.update(dead_accounts={1})
    assert get(sandbox, account_id=1).status_code == 503
    assert get(sandbox, account_id=2).status_code == 200


def test_a_hanging_request_is_never_answered(sandbox):
    sandbox.faults.update(hang_share=1.0)
    with pytest.raises(requests.ReadTimeout):
        get(sandbox, timeout=0.5)


def test_a_cut_connection_ends_in_the_middle_of_the_body(sandbox):
    sandbox.faults.update(cut_share=1.0)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        _ = get(sandbox).content


def test_a_storm_refuses_everything_and_passes(sandbox):
    sandbox.faults.update(storm_seconds=0.5)
    refused = get(sandbox)
    assert refused.status_code == 429
    assert int(refused.headers["X-RateLimit-Retry-After"]) >= time.time() - 1
    time.sleep(0.6)
    assert get(sandbox).status_code == 200
    assert sandbox.counters.http_429 == 1


def test_tokens_are_revoked_once_in_mid_sync(sandbox):
    sandbox.faults.update(revoke_after=3)
    headers = {"Authorization": f"Bearer {sandbox.tokens.issue(1)}"}
    statuses = [requests.get(sandbox.url + "/listings", headers=headers, timeout=5).status_code for _ in range(4)]
    assert statuses == [200, 200, 403, 403]
    assert get(sandbox).status_code == 200


def test_the_data_drifts_while_it_is_read_and_then_stands_still(sandbox):
    before = list(sandbox.world.account(1).truth("reservations"))
    sandbox.faults.update(drift_every=1, drift_limit=7)
    for _ in range(10):
        get(sandbox, "/reservations")
    assert sandbox.drift.changes == 7
    assert list(sandbox.world.account(1).truth("reservations")) != before


def test_a_lowered_page_cap_holds_for_every_list(sandbox):
    sandbox.faults.update(page_cap=2)
    for path in ("/listings", "/reservations", "/conversations"):
        assert len(get(sandbox, path, params={"limit": 100}).json()["result"]) == 2


def test_arrivals_can_be_read_over_http(sandbox):
    get(sandbox)
    arrivals = requests.get(f"{sandbox.root_url}/_sandbox/arrivals", timeout=5).json()
    assert [arrival[1:] for arrival in arrivals] == [[1, "/v1/listings", 200]]
