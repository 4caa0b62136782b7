"""How changes show in `updatedOn` and the markers, and which changes move neither."""

import time
from typing import Any

import pytest

from hostaway_pipeline.sandbox.world.objects import Conversation


@pytest.fixture
def api(start):
    return start()


def full_thread(api: Any) -> Conversation:
    threads: list[Conversation] = list(api.account.conversations.values())
    return next(thread for thread in threads if len(thread.visible()) > 2)


def markers(api: Any, conversation_id: int) -> tuple[str | None, str | None]:
    row = api.result(f"/conversations/{conversation_id}")
    return row["messageSentOn"], row["messageReceivedOn"]


def test_an_updated_reservation_moves_to_the_front(api):
    api.account.update_reservation(api.any_reservation(), guestName="Changed")
    row = api.result("/reservations", limit=1)[0]
    assert (row["id"], row["guestName"]) == (api.any_reservation(), "Changed")


def test_an_update_does_not_move_latest_activity(api):
    before = api.result(f"/reservations/{api.any_reservation()}")["latestActivityOn"]
    assert api.account.update_reservation(api.any_reservation(), nights=3)["latestActivityOn"] == before


def test_a_touch_changes_no_business_field(api):
    path = f"/reservations/{api.any_reservation()}"
    before = api.result(path)
    api.account.touch_reservation(api.any_reservation())
    changed = {key for key, value in api.result(path).items() if value != before[key]}
    assert changed == {"updatedOn", "latestActivityOn"}


def test_updated_on_advances_by_at_least_a_second(api):
    stamps = [api.account.touch_reservation(api.any_reservation())["updatedOn"] for _ in range(5)]
    assert sorted(set(stamps)) == stamps


def test_a_new_reservation_is_listed_first(api):
    added = api.account.add_reservation(guestName="Newest")
    assert api.result("/reservations", limit=1) == [added]


def test_a_deleted_reservation_is_gone(api):
    reservation_id = api.any_reservation()
    api.account.delete_reservation(reservation_id)
    answers = api.get("/reservations").json()["count"], api.get(f"/reservations/{reservation_id}").status_code
    assert answers == (39, 404)


def test_a_restored_reservation_is_as_before(api):
    reservation_id = api.any_reservation()
    before = api.result(f"/reservations/{reservation_id}")
    api.account.delete_reservation(reservation_id)
    api.account.restore_reservation(reservation_id)
    assert api.result(f"/reservations/{reservation_id}") == before


def test_a_deleted_listing_is_gone_until_it_is_restored(api):
    listing_id = next(iter(api.account.listings))
    api.account.delete_listing(listing_id)
    counts = [api.get("/listings").json()["count"]]
    api.account.restore_listing(listing_id)
    assert [*counts, api.get("/listings").json()["count"]] == [2, 3]


@pytest.mark.parametrize("is_incoming", [True, False])
def test_a_message_moves_the_marker_of_its_direction(api, is_incoming):
    thread = full_thread(api)
    before = markers(api, thread.id)
    added = api.account.add_message(thread.id, "news", is_incoming)
    expected = (before[0], added["date"]) if is_incoming else (added["date"], before[1])
    assert markers(api, thread.id) == expected


def test_markers_advance_with_every_message(api):
    thread = full_thread(api)
    moved = [api.account.add_message(thread.id, "again", True)["date"] for _ in range(3)]
    assert sorted(set(moved)) == moved


def test_an_edit_does_not_move_a_marker(api):
    thread = full_thread(api)
    before = markers(api, thread.id)
    api.account.edit_message(thread.id, thread.visible()[0].id, "edited")
    assert markers(api, thread.id) == before


def test_an_edit_changes_the_text(api):
    thread = full_thread(api)
    message_id = thread.visible()[0].id
    api.account.edit_message(thread.id, message_id, "edited")
    assert api.result(f"/conversations/{thread.id}/messages/{message_id}")["body"] == "edited"


def test_deleting_a_message_does_not_move_a_marker(api):
    thread = full_thread(api)
    before = markers(api, thread.id)
    api.account.delete_message(thread.id, thread.visible()[0].id)
    assert markers(api, thread.id) == before


def test_deleting_a_conversation_deletes_its_messages(api):
    thread = full_thread(api)
    api.account.delete_conversation(thread.id)
    assert api.get(f"/conversations/{thread.id}/messages").status_code == 404


def test_a_new_conversation_has_no_markers(api):
    added = api.account.add_conversation(api.any_reservation())
    assert markers(api, added["id"]) == (None, None)


def test_a_sent_message_is_listed(api):
    path = f"/conversations/{full_thread(api).id}/messages"
    sent = api.post(path, {"body": "Welcome 👋"}).json()["result"]
    assert sent in api.sweep(path)


def test_a_sent_message_is_outgoing_by_email(api):
    sent = api.post(f"/conversations/{full_thread(api).id}/messages", {"body": "Welcome"}).json()["result"]
    assert (sent["isIncoming"], sent["status"], sent["communicationType"]) == (0, "sent", "email")


def test_a_sent_message_moves_the_marker(api):
    thread = full_thread(api)
    sent = api.post(f"/conversations/{thread.id}/messages", {"body": "Welcome"}).json()["result"]
    assert markers(api, thread.id)[0] == sent["date"]


def test_an_empty_message_is_not_sent(api):
    assert api.post(f"/conversations/{full_thread(api).id}/messages", {"body": ""}).status_code == 400


def test_changes_while_reading_are_safe(start):
    """A row that is updated is at the head of the list."""
    api = start("59808:3:400")
    for reservation_id in list(api.account.reservations)[:50]:
        api.account.touch_reservation(reservation_id)
        assert api.result("/reservations", limit=1)[0]["updatedOn"] >= time.strftime("%Y-%m-%d", time.gmtime())
