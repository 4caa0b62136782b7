"""Messages that are stored although the sender cannot know it, so that a blind retry would send them twice."""

import time

import pytest
import requests

from tests.waiting import wait_until


@pytest.fixture
def api(start):
    return start()


@pytest.fixture
def path(api):
    return api.messages_path()


def bodies(api, path):
    return [message["body"] for message in api.sweep(path)]


def test_sending_answers_with_the_message(api, path):
    assert api.post(path, {"body": "clear"}).json()["result"]["body"] == "clear"


def test_a_message_may_be_stored_although_the_answer_is_a_500(api, path):
    api.server.faults.send_unclear = "500"
    assert (api.post(path, {"body": "unclear"}).status_code, bodies(api, path).count("unclear")) == (500, 1)


def test_a_message_may_be_stored_although_the_answer_is_cut_off(api, path):
    api.server.faults.send_unclear = "cut"
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api.post(path, {"body": "unclear"})
    assert bodies(api, path).count("unclear") == 1


def test_a_message_may_be_stored_although_no_answer_comes(api, path):
    api.server.faults.send_unclear = "hang"
    with pytest.raises(requests.ReadTimeout):
        api.http.post(f"{api.server.url}{path}", json={"body": "unclear"}, timeout=(60, 0.25))
    wait_until(lambda: bodies(api, path).count("unclear") == 1)


def test_a_500_may_store_nothing(api, path):
    api.server.faults.send_unclear = "lost"
    assert (api.post(path, {"body": "lost"}).status_code, bodies(api, path).count("lost")) == (500, 0)


def test_a_message_is_stored_late_although_its_sender_has_gone(api, path):
    api.server.faults.send_delay = 60
    api.server.counters.reset()
    with pytest.raises(requests.ReadTimeout):
        api.http.post(f"{api.server.url}{path}", json={"body": "late"}, timeout=(60, 0.1))
    wait_until(lambda: api.server.counters.max_in_flight == 1)
    assert bodies(api, path).count("late") == 0
    api.server.faults.send_delay = 0
    wait_until(lambda: bodies(api, path).count("late") == 1)


def test_a_late_message_is_answered_late(api, path):
    api.server.faults.send_delay = 0.3
    began = time.monotonic()
    assert api.post(path, {"body": "late"}).json()["result"]["body"] == "late"
    assert time.monotonic() - began >= 0.3
    api.server.faults.send_delay = 60
    assert api.get("/listings").status_code == 200


def test_a_text_may_be_stored_as_html(api, path):
    api.server.faults.send_escapes = True
    assert api.post(path, {"body": 'B&B <b>"3"</b>'}).json()["result"]["body"] == 'B&amp;B &lt;b&gt;"3"&lt;/b&gt;'


@pytest.mark.parametrize("how", ["cut", "hang", "500"])
def test_only_accepted_messages_have_an_unclear_answer(api, path, how):
    api.control("/faults", {"send_unclear": how})
    assert (api.post(path, {"body": ""}).status_code, api.get("/listings").status_code) == (400, 200)
    api.server.limits.update(sends=0)
    assert api.post(path, {"body": "refused"}).status_code == 429
    assert bodies(api, path).count("refused") == 0
