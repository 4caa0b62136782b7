"""Which changes are events, and the form of a delivery."""

import base64
import time

import pytest


@pytest.fixture
def api(start):
    return start("59808:3:40 2:3:5", webhook_time_scale=1e6)


def test_a_delivery_carries_the_whole_object(hooked, receiver):
    updated = hooked.account.update_reservation(hooked.any_reservation(), guestName="Changed")
    hooked.wait_idle()
    assert receiver.payloads == [
        {"object": "reservation", "event": "reservation.updated", "accountId": 59808, "data": updated}
    ]


def test_an_envelope_may_be_nested(hooked, receiver):
    hooked.server.faults.nested_envelope = True
    touched = hooked.account.touch_reservation(hooked.any_reservation())
    hooked.wait_idle()
    assert receiver.payloads[0].keys() == {"payload"}
    assert receiver.payloads[0]["payload"]["data"] == touched


def test_a_delivery_carries_secrets_as_the_api_does(hooked, receiver):
    hooked.account.touch_reservation(hooked.any_reservation())
    hooked.wait_idle()
    data = receiver.payloads[0]["data"]
    assert data == hooked.result(f"/reservations/{hooked.any_reservation()}")
    assert {"doorCode", "financeField"} <= data.keys()


def test_deliveries_are_json_posts_to_the_full_url_with_basic_auth(api, receiver):
    api.register(receiver.url, login="me", password="pass:wörd")
    api.account.touch_reservation(api.any_reservation())
    api.wait_idle()
    delivery = receiver.deliveries[0]
    basic = "Basic " + base64.b64encode("me:pass:wörd".encode()).decode()
    assert (delivery.path, delivery.headers["Authorization"]) == ("/hook?of=tests", basic)
    assert delivery.headers["Content-Type"] == "application/json"


def test_there_is_no_authorization_without_credentials(hooked, receiver):
    hooked.account.touch_reservation(hooked.any_reservation())
    hooked.wait_idle()
    assert "Authorization" not in receiver.deliveries[0].headers


def test_a_touch_is_one_event(hooked, receiver):
    hooked.account.touch_reservation(hooked.any_reservation())
    hooked.wait_idle()
    assert receiver.events == ["reservation.updated"]


def test_a_new_reservation_is_a_created_event(hooked, receiver):
    added = hooked.account.add_reservation()
    hooked.wait_idle()
    assert [(payload["event"], payload["data"]) for payload in receiver.payloads] == [("reservation.created", added)]


def test_a_cancellation_is_an_updated_event(hooked, receiver):
    hooked.account.update_reservation(hooked.any_reservation(), status="cancelled")
    hooked.wait_idle()
    assert [(payload["event"], payload["data"]["status"]) for payload in receiver.payloads] == [
        ("reservation.updated", "cancelled")
    ]


def test_a_message_from_a_guest_is_a_received_event(hooked, receiver):
    added = hooked.account.add_message(hooked.any_conversation(), "When can we come?")
    hooked.wait_idle()
    assert receiver.payloads == [
        {"object": "conversationMessage", "event": "message.received", "accountId": 59808, "data": added}
    ]


def test_a_private_attachment_is_signed(hooked, receiver):
    files = [{"url": f"https://a.example.com/{kind}.jpeg", "isPublic": kind} for kind in (0, 1)]
    hooked.account.add_message(hooked.any_conversation(), "See here", attachments=files)
    hooked.wait_idle()
    private, public = (file["url"] for file in receiver.payloads[0]["data"]["attachments"])
    assert "X-Amz-Signature=" in private
    assert public == "https://a.example.com/1.jpeg"


def test_the_object_is_as_it_was_when_it_changed(hooked, receiver):
    receiver.pause = lambda: time.sleep(0.05)
    for name in ("first", "second", "third"):
        hooked.account.update_reservation(hooked.any_reservation(), guestName=name)
    hooked.wait_idle()
    assert {payload["data"]["guestName"] for payload in receiver.payloads} == {"first", "second", "third"}


def host_replies(api):
    api.account.add_message(api.any_conversation(), "Welcome", is_incoming=False)


def host_sends(api):
    assert api.post(api.messages_path(), {"body": "Welcome"}).status_code == 200


def message_is_scheduled(api):
    api.account.add_message(api.any_conversation(), "Soon", is_incoming=False, status="awaiting")


def message_is_edited(api):
    thread = next(thread for thread in api.account.conversations.values() if thread.visible())
    api.account.edit_message(thread.id, thread.visible()[0].id, "edited")


def reservation_is_deleted_and_restored(api):
    reservation_id = api.any_reservation()
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
def test_these_changes_are_not_events(hooked, receiver, happens):
    happens(hooked)
    hooked.wait_idle()
    assert (receiver.deliveries, hooked.server.deliveries.counts()["emitted"]) == ([], 0)


def test_changes_over_http_are_events_too(hooked, receiver):
    hooked.control(f"/accounts/59808/reservations/{hooked.any_reservation()}/touch", {})
    hooked.control("/accounts/59808/reservations", {"guestName": "New"})
    hooked.control(f"/accounts/59808/conversations/{hooked.any_conversation()}/message", {"body": "Hi"})
    hooked.wait_idle()
    assert sorted(receiver.events) == ["message.received", "reservation.created", "reservation.updated"]


def test_drift_is_an_event_too(hooked, receiver):
    hooked.server.faults.update(drift_every=1, drift_limit=3)
    for _ in range(3):
        hooked.get("/listings")
    hooked.wait_idle()
    assert sorted(receiver.events) == ["message.received", "reservation.created", "reservation.updated"]


def test_any_event_can_be_emitted_over_http(hooked, receiver):
    body = {"event": "task.updated", "object": "task", "data": {"id": 9, "title": "Clean"}}
    assert hooked.control("/accounts/59808/events", body).status_code == 200
    hooked.wait_idle()
    assert receiver.payloads == [body | {"accountId": 59808}]


@pytest.mark.parametrize(
    ("account", "body", "status"),
    [
        (59808, {"event": "task.updated"}, 400),
        (59808, {"event": "e", "object": "o", "data": 5}, 400),
        (3, {"event": "e", "object": "o", "data": {}}, 404),
    ],
)
def test_an_invalid_event_is_refused(api, account, body, status):
    assert api.control(f"/accounts/{account}/events", body).status_code == status
