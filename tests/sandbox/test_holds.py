"""Answers that wait until a test lets them go."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.waiting import wait_until


@pytest.fixture
def api(fresh):
    return fresh


def test_an_account_that_hangs_no_more_has_its_connections_cut(api):
    api.server.faults.hanging_accounts = {api.account_id}
    with ThreadPoolExecutor(1) as pool:
        before = len(list(api.account.truth("messages")))
        hanging = pool.submit(api.post, api.messages_path(), {"body": "hi"})
        wait_until(lambda: len(list(api.account.truth("messages"))) == before + 1)
        time.sleep(0.1)
        assert not hanging.done()
        api.server.faults.hanging_accounts = set()
        assert isinstance(hanging.exception(30), requests.RequestException)
    assert api.get("/listings").status_code == 200


def test_answers_can_be_held_back_after_so_many(api):
    api.server.faults.hold_after = 2
    assert api.statuses(2) == [200, 200]
    api.server.counters.reset()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(api.get, "/listings")
        wait_until(lambda: api.server.counters.max_in_flight == 1)
        assert not held.done()
        api.server.faults.hold_after = None
        assert held.result(60).status_code == 200


def test_an_answer_that_is_held_back_has_taken_effect(api):
    """It is what Hostaway knew when it was asked."""
    api.server.faults.hold_after = 0
    with ThreadPoolExecutor(1) as pool:
        before = len(list(api.account.truth("messages")))
        held = pool.submit(api.post, api.messages_path(), {"body": "hi"})
        wait_until(lambda: len(list(api.account.truth("messages"))) == before + 1)
        assert not held.done()
        api.server.faults.hold_after = None
        assert held.result(60).status_code == 200
