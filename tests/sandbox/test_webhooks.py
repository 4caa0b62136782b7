"""Registering unified webhooks, what counts as an event, and the log of deliveries."""

import base64
import time

import pytest

HOOKS = "/webhooks/unifiedWebhooks"
LOGS = "/unifiedWebhookLogs"
URL = "http://127.0.0.1:9/nobody"


@pytest.fixture
def api(start):
    return start("59808:3:40 2:3:5", webhook_time_scale=1e6)


@pytest.fixture
def hooked(api, receiver):
    """An account whose events reach the receiver."""
    api.register(receiver.url)
    return api


def settled(api):
    assert api.server.deliveries.wait_idle(10)


def any_reservation(api):
    return list(api.account.reservations)[5]


def any_conversation(api):
    return next(iter(api.account.conversations))


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


def test_without_a_password_there_is_none_to_mask(api):
    assert api.post(HOOKS, {"url": URL}).json()["result"]["password"] is None


def test_registrations_are_listed_and_read_one_by_one(api):
    first, second = api.register(URL), api.register(f"{URL}/2")
    assert api.result(HOOKS) == [api.result(f"{HOOKS}/{first}"), api.result(f"{HOOKS}/{second}")]
    assert api.get(HOOKS).json()["count"] == 2


def test_the_same_url_twice_is_two_webhooks(api, receiver):
    """So list before creating."""
    assert api.register(receiver.url) != api.register(receiver.url)
    api.account.touch_reservation(any_reservation(api))
    settled(api)
    assert len(receiver.deliveries) == 2


def test_a_change_keeps_what_it_does_not_name(api):
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
def test_nonsense_is_400_and_registers_nothing(api, body):
    answer = api.post(HOOKS, body)
    assert (answer.status_code, answer.json()["status"], api.result(HOOKS)) == (400, "fail", [])


def test_a_refusal_does_not_repeat_the_password(api):
    assert "hunter2" not in api.post(HOOKS, {"url": "nonsense", "password": "hunter2"}).text


def test_nonsense_changes_nothing(api):
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
def test_hostaway_itself_wants_https_and_a_domain_without_a_port(start, url, status):
    assert start(require_public_urls=True).post(HOOKS, {"url": url}).status_code == status


def test_webhooks_need_a_token_and_count_as_requests(api):
    api.server.counters.reset()
    api.post(HOOKS, {"url": URL})
    api.server.tokens.revoke_all()
    assert api.get(HOOKS).status_code == 403
    assert api.server.counters.calls() == {f"POST /v1{HOOKS}": 1, f"/v1{HOOKS}": 1}


def test_an_account_sees_its_own_webhooks_only(api):
    api.register(URL)
    assert type(api)(api.server, 2).result(HOOKS) == []


def test_registering_tries_the_url_with_a_get_and_a_test_post(api, receiver):
    hook = api.register(receiver.url, login="me", password="secret")
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    assert [(one.method, one.body, one.headers["Authorization"]) for one in receiver.received] == [
        ("GET", b"", basic),
        ("POST", b'{"data":"test"}', basic),
    ]
    assert api.server.deliveries.pings == [(hook, "GET", 200), (hook, "POST", 200)]


def test_registering_does_not_wait_for_the_url(api, receiver):
    receiver.pause = lambda: time.sleep(0.4)
    began = time.monotonic()
    assert api.post(HOOKS, {"url": receiver.url}).status_code == 200
    assert time.monotonic() - began < 0.4


def test_a_url_that_fails_its_test_stays_registered(api, receiver):
    receiver.status = 500
    hook = api.register(receiver.url)
    assert [ping.status for ping in api.server.deliveries.pings] == [500, 500]
    assert api.result(f"{HOOKS}/{hook}")["isEnabled"] == 1


def test_only_a_new_url_is_tried_again(api, receiver):
    hook = api.register(URL)
    api.put(f"{HOOKS}/{hook}", {"login": "me"})
    settled(api)
    assert len(api.server.deliveries.pings) == 2
    api.put(f"{HOOKS}/{hook}", {"url": receiver.url})
    settled(api)
    assert [one.method for one in receiver.received] == ["GET", "POST"]


def test_a_delivery_carries_the_whole_object(hooked, receiver):
    updated = hooked.account.update_reservation(any_reservation(hooked), guestName="Changed")
    settled(hooked)
    assert receiver.payloads == [
        {"object": "reservation", "event": "reservation.updated", "accountId": 59808, "data": updated}
    ]


def test_an_envelope_may_be_nested(hooked, receiver):
    hooked.server.faults.nested_envelope = True
    touched = hooked.account.touch_reservation(any_reservation(hooked))
    settled(hooked)
    assert receiver.payloads[0].keys() == {"payload"}
    assert receiver.payloads[0]["payload"]["data"] == touched


def test_a_reservation_carries_secrets_as_the_api_does(hooked, receiver):
    hooked.account.touch_reservation(any_reservation(hooked))
    settled(hooked)
    data = receiver.payloads[0]["data"]
    assert data == hooked.result(f"/reservations/{any_reservation(hooked)}")
    assert {"doorCode", "financeField"} <= data.keys()


def test_deliveries_are_json_posts_to_the_whole_url_with_basic_auth(api, receiver):
    api.register(receiver.url, login="me", password="pass:wörd")
    api.account.touch_reservation(any_reservation(api))
    settled(api)
    delivery = receiver.deliveries[0]
    basic = "Basic " + base64.b64encode("me:pass:wörd".encode()).decode()
    assert (delivery.path, delivery.headers["Authorization"]) == ("/hook?of=tests", basic)
    assert delivery.headers["Content-Type"] == "application/json"


def test_without_credentials_there_is_no_authorization(hooked, receiver):
    hooked.account.touch_reservation(any_reservation(hooked))
    settled(hooked)
    assert "Authorization" not in receiver.deliveries[0].headers


def test_a_touch_is_one_event(hooked, receiver):
    hooked.account.touch_reservation(any_reservation(hooked))
    settled(hooked)
    assert receiver.events == ["reservation.updated"]


def test_a_new_reservation_is_created(hooked, receiver):
    added = hooked.account.add_reservation()
    settled(hooked)
    assert [(one["event"], one["data"]) for one in receiver.payloads] == [("reservation.created", added)]


def test_a_cancellation_is_an_update(hooked, receiver):
    hooked.account.update_reservation(any_reservation(hooked), status="cancelled")
    settled(hooked)
    assert [(one["event"], one["data"]["status"]) for one in receiver.payloads] == [
        ("reservation.updated", "cancelled")
    ]


def test_a_guests_message_is_received(hooked, receiver):
    added = hooked.account.add_message(any_conversation(hooked), "When can we come?")
    settled(hooked)
    assert receiver.payloads == [
        {"object": "conversationMessage", "event": "message.received", "accountId": 59808, "data": added}
    ]


def test_a_private_attachment_is_signed(hooked, receiver):
    files = [{"url": f"https://a.example.com/{kind}.jpeg", "isPublic": kind} for kind in (0, 1)]
    hooked.account.add_message(any_conversation(hooked), "See here", attachments=files)
    settled(hooked)
    private, public = (one["url"] for one in receiver.payloads[0]["data"]["attachments"])
    assert "X-Amz-Signature=" in private
    assert public == "https://a.example.com/1.jpeg"


def test_the_object_is_as_it_was_when_it_changed(hooked, receiver):
    receiver.pause = lambda: time.sleep(0.05)
    for name in ("first", "second", "third"):
        hooked.account.update_reservation(any_reservation(hooked), guestName=name)
    settled(hooked)
    assert {one["data"]["guestName"] for one in receiver.payloads} == {"first", "second", "third"}


def host_replies(api):
    api.account.add_message(any_conversation(api), "Welcome", is_incoming=False)


def host_sends(api):
    assert api.post(f"/conversations/{any_conversation(api)}/messages", {"body": "Welcome"}).status_code == 200


def message_is_scheduled(api):
    api.account.add_message(any_conversation(api), "Soon", is_incoming=False, status="awaiting")


def message_is_edited(api):
    thread = next(one for one in api.account.conversations.values() if one.visible())
    api.account.edit_message(thread.id, thread.visible()[0].id, "edited")


def reservation_is_deleted_and_restored(api):
    reservation_id = any_reservation(api)
    api.account.delete_reservation(reservation_id)
    api.account.restore_reservation(reservation_id)


def listing_changes(api):
    listing_id = next(iter(api.account.listings))
    api.account.update_listing(listing_id, name="New name")
    api.account.delete_listing(listing_id)
    api.account.restore_listing(listing_id)


def conversation_comes_and_goes(api):
    api.account.delete_conversation(api.account.add_conversation()["id"])


def another_account_changes(api):
    api.server.world.account(2).add_reservation()


@pytest.mark.parametrize(
    "happens",
    [host_replies, host_sends, message_is_scheduled, message_is_edited, reservation_is_deleted_and_restored,
     listing_changes, conversation_comes_and_goes, another_account_changes],
)  # fmt: skip
def test_no_webhook_tells_that(hooked, receiver, happens):
    happens(hooked)
    settled(hooked)
    assert (receiver.deliveries, hooked.server.deliveries.counts()["emitted"]) == ([], 0)


def test_changes_over_http_are_events_too(hooked, receiver):
    hooked.control(f"/accounts/59808/reservations/{any_reservation(hooked)}/touch", {})
    hooked.control("/accounts/59808/reservations", {"guestName": "New"})
    hooked.control(f"/accounts/59808/conversations/{any_conversation(hooked)}/message", {"body": "Hi"})
    settled(hooked)
    assert sorted(receiver.events) == ["message.received", "reservation.created", "reservation.updated"]


def test_drift_is_an_event_too(hooked, receiver):
    hooked.server.faults.update(drift_every=1, drift_limit=3)
    for _ in range(3):
        hooked.get("/listings")
    settled(hooked)
    assert sorted(receiver.events) == ["message.received", "reservation.created", "reservation.updated"]


def test_any_event_can_be_made_up(hooked, receiver):
    body = {"event": "task.updated", "object": "task", "data": {"id": 9, "title": "Clean"}}
    assert hooked.control("/accounts/59808/events", body).status_code == 200
    settled(hooked)
    assert receiver.payloads == [body | {"accountId": 59808}]


@pytest.mark.parametrize(
    ("account", "body", "status"),
    [
        (59808, {"event": "task.updated"}, 400),
        (59808, {"event": "e", "object": "o", "data": 5}, 400),
        (3, {"event": "e", "object": "o", "data": {}}, 404),
    ],
)
def test_an_impossible_event_is_refused(api, account, body, status):
    assert api.control(f"/accounts/{account}/events", body).status_code == status


def test_a_disabled_webhook_is_told_nothing_until_it_is_enabled(api, receiver):
    hook = api.register(receiver.url, isEnabled=0)
    api.account.add_reservation()
    api.put(f"{HOOKS}/{hook}", {"isEnabled": 1})
    api.account.touch_reservation(any_reservation(api))
    settled(api)
    assert receiver.events == ["reservation.updated"]


def test_a_log_entry_is_as_hostaway_writes_it(api, receiver):
    hook = api.register(receiver.url, login="me", password="secret")
    receiver.text = "x" * 500
    updated = api.account.touch_reservation(any_reservation(api))
    settled(api)
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
    hooked.account.touch_reservation(any_reservation(hooked))
    settled(hooked)
    assert [entry["responseStatus"] for entry in hooked.result(LOGS)] == [200, None, 500]


def test_the_log_is_read_in_pages(hooked):
    for _ in range(5):
        hooked.account.touch_reservation(any_reservation(hooked))
    settled(hooked)
    page = hooked.get(LOGS, limit=2, offset=2).json()
    assert ([entry["id"] for entry in page["result"]], page["count"]) == ([3, 2], 5)
