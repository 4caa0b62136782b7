"""Registering unified webhooks, and the log of their deliveries."""

import base64
import threading

import pytest

HOOKS = "/webhooks/unifiedWebhooks"
LOGS = "/unifiedWebhookLogs"
URL = "http://127.0.0.1:9/nobody"


@pytest.fixture
def api(start):
    return start("59808:3:40 2:3:5", webhook_time_scale=1e6)


def test_a_registration_is_answered_as_hostaway_does(api):
    answer = api.post(HOOKS, {"url": URL, "login": "me", "password": "secret"}).json()
    assert answer == {
        "status": "success",
        "result": {
            "id": 1,
            "isEnabled": 1,
            "url": URL,
            "login": "me",
            "password": "****",
            "alertingEmailAddress": None,
        },
    }


def test_a_missing_password_is_not_masked(api):
    assert api.post(HOOKS, {"url": URL}).json()["result"]["password"] is None


def test_registrations_are_listed_and_read_one_by_one(api):
    first, second = api.register(URL), api.register(f"{URL}/2")
    assert api.result(HOOKS) == [api.result(f"{HOOKS}/{first}"), api.result(f"{HOOKS}/{second}")]
    assert api.get(HOOKS).json()["count"] == 2


def test_the_same_url_twice_is_two_webhooks(api, receiver):
    """So a client must list the webhooks before it creates one."""
    assert api.register(receiver.url) != api.register(receiver.url)
    api.account.touch_reservation(api.any_reservation())
    api.wait_idle()
    assert len(receiver.deliveries) == 2


def test_a_change_keeps_the_settings_it_does_not_name(api):
    hook = api.register(URL, login="me", alertingEmailAddress="ops@example.com")
    changed = api.put(f"{HOOKS}/{hook}", {"isEnabled": 0}).json()["result"]
    assert changed == api.result(f"{HOOKS}/{hook}")
    assert (changed["isEnabled"], changed["login"], changed["alertingEmailAddress"]) == (0, "me", "ops@example.com")


def test_a_removed_webhook_is_gone(api):
    hook = api.register(URL)
    assert api.delete(f"{HOOKS}/{hook}").status_code == 200
    assert (api.result(HOOKS), api.get(f"{HOOKS}/{hook}").status_code) == ([], 404)


@pytest.mark.parametrize("method", ["get", "delete"])
def test_an_unknown_webhook_is_404(api, method):
    assert getattr(api, method)(f"{HOOKS}/77").status_code == 404


def test_changing_an_unknown_webhook_is_404(api):
    assert api.put(f"{HOOKS}/77", {"url": URL}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"url": "nonsense"}, {"url": "ftp://example.com"}, {"url": "http://"}, {"url": "http://a:port/"},
     {"url": None}, {"url": URL, "isEnabled": "perhaps"}, {"url": URL, "login": 5}],
)  # fmt: skip
def test_an_invalid_registration_is_400_and_registers_nothing(api, body):
    answer = api.post(HOOKS, body)
    assert (answer.status_code, answer.json()["status"], api.result(HOOKS)) == (400, "fail", [])


def test_a_refusal_does_not_repeat_the_password(api):
    assert "hunter2" not in api.post(HOOKS, {"url": "nonsense", "password": "hunter2"}).text


def test_an_invalid_change_changes_nothing(api):
    hook = api.register(URL)
    assert api.put(f"{HOOKS}/{hook}", {"url": "nonsense"}).status_code == 400
    assert api.result(f"{HOOKS}/{hook}")["url"] == URL


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://hooks.invalid/in", 200),
        ("http://hooks.invalid/in", 400),
        ("https://hooks.invalid:8443/in", 400),
        ("https://192.0.2.1/in", 400),
        ("https://localhost/in", 400),
    ],
)
def test_public_urls_must_be_https_with_a_domain_and_no_port(start, url, status):
    assert start(require_public_urls=True).post(HOOKS, {"url": url}).status_code == status


def test_webhooks_need_a_token_and_count_as_requests(api):
    api.server.counters.reset()
    api.post(HOOKS, {"url": URL})
    api.server.tokens.revoke_all()
    assert api.get(HOOKS).status_code == 403
    assert api.server.counters.calls() == {f"POST /v1{HOOKS}": 1, f"/v1{HOOKS}": 1}


def test_an_account_sees_only_its_own_webhooks(api):
    api.register(URL)
    assert api.as_account(2).result(HOOKS) == []


def test_registering_tests_the_url_with_a_get_and_a_post(api, receiver):
    hook = api.register(receiver.url, login="me", password="secret")
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    assert [(request.method, request.body, request.headers["Authorization"]) for request in receiver.received] == [
        ("GET", b"", basic),
        ("POST", b'{"data":"test"}', basic),
    ]
    assert api.server.deliveries.pings == [(hook, "GET", 200), (hook, "POST", 200)]


def test_registering_does_not_wait_for_the_url(api, receiver):
    going = threading.Event()
    receiver.pause = lambda: going.wait(60)
    assert api.post(HOOKS, {"url": receiver.url}).status_code == 200
    assert api.server.deliveries.pings == []
    going.set()


def test_a_url_that_fails_its_test_stays_registered(api, receiver):
    receiver.status = 500
    hook = api.register(receiver.url)
    assert [ping.status for ping in api.server.deliveries.pings] == [500, 500]
    assert api.result(f"{HOOKS}/{hook}")["isEnabled"] == 1


def test_only_a_new_url_is_tested_again(api, receiver):
    hook = api.register(URL)
    api.put(f"{HOOKS}/{hook}", {"login": "me"})
    api.wait_idle()
    assert len(api.server.deliveries.pings) == 2
    api.put(f"{HOOKS}/{hook}", {"url": receiver.url})
    api.wait_idle()
    assert [request.method for request in receiver.received] == ["GET", "POST"]


def test_a_disabled_webhook_receives_nothing_until_it_is_enabled(api, receiver):
    hook = api.register(receiver.url, isEnabled=0)
    api.account.add_reservation()
    api.put(f"{HOOKS}/{hook}", {"isEnabled": 1})
    api.account.touch_reservation(api.any_reservation())
    api.wait_idle()
    assert receiver.events == ["reservation.updated"]


def test_a_log_entry_is_as_hostaway_writes_it(api, receiver):
    hook = api.register(receiver.url, login="me", password="secret")
    receiver.text = "x" * 500
    updated = api.account.touch_reservation(api.any_reservation())
    api.wait_idle()
    assert api.result(LOGS) == [
        {
            "id": 1,
            "accountId": 59808,
            "listingMapId": updated["listingMapId"],
            "webhookNotificationSettingId": hook,
            "isEnabled": 1,
            "url": receiver.url,
            "login": "me",
            "password": "****",
            "object": "reservation",
            "objectId": updated["id"],
            "event": "reservation.updated",
            "responseStatus": 200,
            "responseBody": "x" * 200,
        }
    ]


def test_every_attempt_is_logged_newest_first(hooked, receiver):
    receiver.answers = [500, None, 200]
    hooked.account.touch_reservation(hooked.any_reservation())
    hooked.wait_idle()
    assert [entry["responseStatus"] for entry in hooked.result(LOGS)] == [200, None, 500]


def test_the_log_is_read_in_pages(hooked):
    for _ in range(5):
        hooked.account.touch_reservation(hooked.any_reservation())
    hooked.wait_idle()
    page = hooked.get(LOGS, limit=2, offset=2).json()
    assert ([entry["id"] for entry in page["result"]], page["count"]) == ([3, 2], 5)
