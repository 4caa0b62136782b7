"""Messages that were stored although the sender cannot know it: to send again blindly is to send twice."""

import pytest
import requests


@pytest.fixture
def api(start):
    return start()


@pytest.fixture
def path(api):
    return f"/conversations/{next(iter(api.account.conversations))}/messages"


def bodies(api, path):
    return [message["body"] for message in api.sweep(path)]


def test_a_clear_answer_is_the_message(api, path):
    assert api.post(path, {"body": "clear"}).json()["result"]["body"] == "clear"


def test_an_answer_that_is_a_500(api, path):
    api.server.faults.send_unclear = "500"
    assert (api.post(path, {"body": "unclear"}).status_code, bodies(api, path).count("unclear")) == (500, 1)


def test_an_answer_that_breaks_off(api, path):
    api.server.faults.send_unclear = "cut"
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        api.post(path, {"body": "unclear"})
    assert bodies(api, path).count("unclear") == 1


def test_an_answer_that_never_comes(api, path):
    api.server.faults.send_unclear = "hang"
    with pytest.raises(requests.ReadTimeout):
        api.http.post(f"{api.server.url}{path}", json={"body": "unclear"}, timeout=0.25)
    assert bodies(api, path).count("unclear") == 1


@pytest.mark.parametrize("how", ["cut", "hang", "500"])
def test_only_what_was_accepted_is_unclear(api, path, how):
    api.control("/faults", {"send_unclear": how})
    assert (api.post(path, {"body": ""}).status_code, api.get("/listings").status_code) == (400, 200)
    api.server.limits.update(sends=0)
    assert api.post(path, {"body": "refused"}).status_code == 429
    assert bodies(api, path).count("refused") == 0
