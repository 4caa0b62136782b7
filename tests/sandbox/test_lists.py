"""Hostaway's lists: page caps, orders, `afterId`, filters, and ignored parameters."""

from typing import Any

import pytest

from hostaway_pipeline.sandbox.world.objects import Conversation

LIST_KEYS = {"status", "result", "limit", "offset", "count", "page", "totalPages"}


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def threads(api: Any) -> list[Conversation]:
    return list(api.account.conversations.values())


def long_thread(api: Any) -> Conversation:
    return max(threads(api), key=lambda thread: len(thread.visible()))


def scheduled_thread(api: Any) -> Conversation:
    return next(thread for thread in threads(api) if len(thread.messages) > len(thread.visible()))


@pytest.mark.parametrize("path", ["/listings", "/reservations", "/conversations"])
def test_a_list_has_paging_keys(api, path):
    assert api.get(path).json().keys() == LIST_KEYS


@pytest.mark.parametrize("kind", ["listings", "reservations", "conversations"])
def test_sweeping_by_offset_finds_every_object(api, kind):
    found = ids(api.sweep(f"/{kind}", limit=90))
    assert sorted(found) == sorted(row["id"] for row in api.account.truth(kind))


@pytest.mark.parametrize("kind", ["listings", "reservations"])
def test_listed_objects_are_complete_by_default(api, kind):
    expected = {row["id"]: row for row in api.account.truth(kind)}
    assert all(row == expected[row["id"]] for row in api.result(f"/{kind}"))


def test_page_and_total_pages_follow_limit_and_offset(api):
    answer = api.get("/reservations", limit=100, offset=200).json()
    assert (answer["count"], answer["page"], answer["totalPages"]) == (787, 3, 8)


def test_a_page_has_100_reservations_by_default(api):
    assert len(api.result("/reservations")) == 100


@pytest.mark.parametrize(("path", "cap"), [("/reservations", 500), ("/conversations", 100)])
def test_the_cap_is_silent(api, path, cap):
    answer = api.get(path, limit=5000)
    assert (answer.status_code, len(answer.json()["result"])) == (200, cap)


def test_messages_are_capped_at_100(api):
    thread = long_thread(api)
    assert len(api.result(f"/conversations/{thread.id}/messages", limit=500)) == 100


def test_messages_beyond_the_cap_are_on_the_next_page(api):
    thread = long_thread(api)
    found = ids(api.sweep(f"/conversations/{thread.id}/messages", limit=100))
    assert sorted(found) == sorted(message.id for message in thread.visible())


def test_reservations_are_sorted_by_newest_update_then_highest_id(api):
    rows = api.sweep("/reservations", limit=500)
    places = [(row["updatedOn"], row["id"]) for row in rows]
    assert places == sorted(places, reverse=True)


def test_sort_order_updated_on_is_ascending(api):
    rows = api.sweep("/reservations", limit=500, sortOrder="updatedOn")
    places = [(row["updatedOn"], row["id"]) for row in rows]
    assert places == sorted(places)


@pytest.mark.parametrize("order", [{}, {"sortOrder": "updatedOn"}])
def test_after_id_is_a_position_in_the_order(api, order):
    first = ids(api.result("/reservations", limit=20, **order))
    assert ids(api.result("/reservations", limit=10, afterId=first[9], **order)) == first[10:]


def test_after_id_reaches_the_end(api):
    last = api.sweep("/reservations", limit=500)[-1]
    assert api.result("/reservations", afterId=last["id"]) == []


def test_latest_activity_filters_by_day(api):
    day = api.result("/reservations", limit=1, offset=300)[0]["latestActivityOn"][:10]
    found = api.sweep("/reservations", latestActivityStart=day, latestActivityEnd=day)
    assert {row["latestActivityOn"][:10] for row in found} == {day}


@pytest.mark.parametrize(
    ("path", "lists"),
    [
        ("/reservations", {"customFieldValues", "reservationFees", "reservationUnit", "financeField"}),
        ("/listings", {"listingAmenities", "listingBedTypes", "listingImages", "customFieldValues"}),
    ],
)
def test_include_resources_0_drops_the_nested_lists(api, path, lists):
    full, lean = (api.result(path, limit=1, includeResources=value)[0] for value in (1, 0))
    assert full.keys() - lean.keys() == lists


def test_unknown_parameters_are_ignored(api):
    plain, filtered = (api.get("/reservations", **query).content for query in ({}, {"status": "new", "from": "x"}))
    assert plain == filtered


def test_an_invalid_limit_is_the_default(api):
    assert len(api.result("/reservations", limit="many")) == 100


def test_archived_listings_are_listed(api):
    assert "archived" in {row["specialStatus"] for row in api.result("/listings")}


def test_conversations_are_not_in_order_of_time(api):
    markers = [row["messageSentOn"] or "" for row in api.sweep("/conversations")]
    assert markers not in (sorted(markers), sorted(markers, reverse=True))


def test_conversations_can_be_filtered_by_reservation_only(api):
    assert api.get("/conversations", sortOrder="updatedOn", listingId=1).json()["count"] == 781


def test_conversations_of_one_reservation(api):
    reservation_id = next(t.reservation_id for t in api.account.conversations.values() if t.reservation_id)
    by_filter = api.result("/conversations", reservationId=reservation_id)
    assert {row["reservationId"] for row in by_filter} == {reservation_id}


def test_conversations_of_a_reservation_have_a_path_of_their_own(api):
    reservation_id = next(t.reservation_id for t in api.account.conversations.values() if t.reservation_id)
    by_path = api.result(f"/reservations/{reservation_id}/conversations")
    assert by_path == api.result("/conversations", reservationId=reservation_id)


def test_conversations_have_no_messages_unless_requested(api):
    assert not {"conversationMessages", "Reservation"} & api.result("/conversations")[0].keys()


def test_conversations_with_resources_hold_the_latest_message_only(api):
    row = next(row for row in api.sweep("/conversations", includeResources=1) if row["conversationMessages"])
    messages = api.sweep(f"/conversations/{row['id']}/messages")
    newest = max(messages, key=lambda message: (message["date"], message["id"]))
    assert ids(row["conversationMessages"]) == [newest["id"]]


def test_conversations_with_resources_hold_the_reservation(api):
    rows = api.sweep("/conversations", includeResources=1)
    held = {row["Reservation"] and row["Reservation"]["id"] for row in rows}
    assert held == {row["reservationId"] for row in rows}


def test_messages_are_not_in_order_of_time(api):
    messages = api.sweep(f"/conversations/{long_thread(api).id}/messages")
    dates = [message["date"] for message in messages]
    assert dates not in (sorted(dates), sorted(dates, reverse=True))


def test_only_sent_messages_are_listed(api):
    messages = api.result(f"/conversations/{scheduled_thread(api).id}/messages")
    assert {message["status"] for message in messages} == {"sent"}


def test_scheduled_messages_do_not_count(api):
    thread = scheduled_thread(api)
    assert api.get(f"/conversations/{thread.id}/messages").json()["count"] == len(thread.visible())


def test_scheduled_messages_are_listed_when_requested(api):
    thread = scheduled_thread(api)
    messages = api.result(f"/conversations/{thread.id}/messages", includeScheduledMessages=1)
    assert len(messages) == len(thread.messages)


@pytest.mark.parametrize("is_public", [0, 1])
def test_private_attachments_get_a_new_signature_at_every_read(api, is_public):
    thread, message = next(
        (thread, message)
        for thread in api.account.conversations.values()
        for message in thread.visible()
        if message.attachments and message.attachments[0]["isPublic"] == is_public
    )
    path = f"/conversations/{thread.id}/messages/{message.id}"
    first, second = (api.result(path)["attachments"][0]["url"] for _ in range(2))
    assert ("X-Amz-Expires=604800" in first, first == second) == (not is_public, bool(is_public))


@pytest.mark.parametrize("kind", ["listings", "reservations", "conversations"])
def test_one_object_by_id(api, kind):
    expected = list(api.account.truth(kind))[3]
    answer = api.get(f"/{kind}/{expected['id']}").json()
    assert answer == {"status": "success", "result": expected}


@pytest.mark.parametrize(
    "path", ["/listings/1", "/reservations/1", "/conversations/1", "/conversations/1/messages", "/reservations/x"]
)
def test_unknown_ids_are_404(api, path):
    answer = api.get(path)
    assert (answer.status_code, answer.json()["status"]) == (404, "fail")


def test_the_text_of_a_failure_is_in_result_or_in_message(api):
    paths = ["/listings/1", "/reservations/1", "/conversations/1", "/conversations/1/messages", "/nowhere"]
    assert {"result", "message"} <= {key for path in paths for key in api.get(path).json()}


def test_a_locked_reservation_is_403_with_a_good_token(start):
    api = start()
    reservation_id = next(iter(api.account.reservations))
    api.account.locked_reservations.add(reservation_id)
    assert api.get(f"/reservations/{reservation_id}").status_code == 403


def test_short_pages_occur_in_mid_list(start):
    api = start(short_pages=True)
    lengths = [len(api.result("/reservations", limit=5, offset=offset)) for offset in range(0, 30)]
    assert set(lengths) == {3, 5}


def test_short_pages_hide_no_row(start):
    api = start(short_pages=True)
    assert len({row["id"] for row in api.sweep("/reservations", limit=7)}) == 40
