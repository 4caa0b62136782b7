"""Drift: data that changes by itself after every n lists, the same way for the same seed, up to a limit."""

import pytest


@pytest.fixture
def api(start):
    return start("59808:3:40 2:3:5")


def state(account):
    """What a sweep would find, without timestamps, which depend on the present."""
    reservations = {row["id"]: row["guestName"] for row in account.truth("reservations")}
    messages = {row["id"]: row["body"] for row in account.truth("messages")}
    return reservations, set(account.conversations), messages


def read(api, times, path="/reservations"):
    for _ in range(times):
        api.get(path, limit=1)


def test_data_does_not_change_by_default(api):
    before = state(api.account)
    read(api, 5)
    assert (state(api.account), api.server.drift.changes) == (before, 0)


def test_a_change_follows_every_nth_list(api):
    api.server.faults.drift_every = 3
    made = []
    for _ in range(7):
        read(api, 1)
        made.append(api.server.drift.changes)
    assert made == [0, 0, 1, 1, 1, 2, 2]


def test_a_change_shows_only_after_the_list_that_triggers_it(api):
    api.server.faults.update(drift_every=1, drift_limit=1)
    first, second = (api.result("/reservations", limit=1)[0] for _ in range(2))
    assert (first["guestName"] == "Drifted 1", second["guestName"]) == (False, "Drifted 1")


def test_the_rotation_adds_updates_and_deletes(api):
    """Updates, adds and deletes a reservation; adds a message and a conversation with one; deletes a conversation."""
    reservations, conversations, messages = state(api.account)
    api.server.faults.update(drift_every=1, drift_limit=7)
    read(api, 8)
    now_reservations, now_conversations, now_messages = state(api.account)
    assert len(now_reservations.keys() - reservations.keys()) == 1
    assert len(reservations.keys() - now_reservations.keys()) == 1
    assert len(now_conversations - conversations) <= 1
    assert len(now_conversations) == len(conversations)
    assert now_messages.keys() - messages.keys()


def test_a_drifted_message_moves_its_marker(api):
    before = {row["id"]: row["messageReceivedOn"] for row in api.account.truth("conversations")}
    api.server.faults.update(drift_every=1, drift_limit=3)
    read(api, 3)
    moved = {row["id"] for row in api.account.truth("conversations") if row["messageReceivedOn"] != before[row["id"]]}
    said = {row["conversationId"] for row in api.account.truth("messages") if row["body"] == "Drifted 3"}
    assert moved == said != set()


def test_the_data_does_not_change_after_the_last_change(api):
    api.server.faults.update(drift_every=1, drift_limit=4)
    read(api, 4)
    after = state(api.account)
    read(api, 5)
    assert (state(api.account), api.server.drift.changes) == (after, 4)


def test_the_limit_counts_down_and_can_be_set_again(api):
    api.server.faults.update(drift_every=1, drift_limit=3)
    read(api, 2)
    left = api.server.faults.drift_limit
    api.server.faults.drift_limit = 2
    read(api, 5)
    assert (left, api.server.faults.drift_limit, api.server.drift.changes) == (1, 0, 4)


def test_drift_without_a_limit_never_stops(api):
    api.server.faults.drift_every = 1
    read(api, 20)
    assert api.server.drift.changes == 20


def test_the_same_seed_drifts_the_same_way(start):
    drifted = []
    for _ in range(2):
        api = start()
        api.server.faults.drift_every = 1
        read(api, 14)
        drifted.append(state(api.account))
    assert drifted[0] == drifted[1]


def test_requests_for_another_account_do_not_affect_the_changes(start):
    drifted = []
    for others in (0, 3):
        api = start("59808:3:40 2:3:20")
        other = api.as_account(2)
        api.server.faults.drift_every = 2
        for _ in range(14):
            read(api, 1)
            read(other, others)
        drifted.append(state(api.account))
    assert drifted[0] == drifted[1]


def test_changes_are_counted_per_account(api):
    other = api.as_account(2)
    api.server.faults.drift_every = 1
    read(api, 2)
    read(other, 1)
    counts = {row["id"]: row["drift_changes"] for row in api.control("/accounts").json()}
    assert counts == {59808: 2, 2: 1}
    assert (api.server.drift.changes_of(59808), api.server.drift.changes) == (2, 3)


@pytest.mark.parametrize("path", ["/listings", "/conversations"])
def test_every_kind_of_list_counts(api, path):
    api.server.faults.drift_every = 1
    read(api, 1, path)
    assert api.server.drift.changes == 1


def test_lists_below_an_object_count_too(api):
    thread = next(thread for thread in api.account.conversations.values() if thread.reservation_id)
    api.server.faults.drift_every = 1
    read(api, 1, f"/reservations/{thread.reservation_id}/conversations")
    read(api, 1, f"/conversations/{thread.id}/messages")
    assert api.server.drift.changes == 2


def test_single_objects_and_refused_lists_do_not_count(api):
    api.server.faults.drift_every = 1
    read(api, 1, f"/reservations/{next(iter(api.account.reservations))}")
    api.server.limits.update(ip=0)
    read(api, 1)
    assert api.server.drift.changes == 0


def test_an_empty_account_drifts_too(start):
    """Changes that have no object to change are skipped."""
    api = start("59808:0:0")
    api.server.faults.drift_every = 1
    read(api, 12)
    assert api.server.drift.changes == 12


def test_drift_over_http(api):
    api.control("/faults", {"drift_every": 1, "drift_limit": 2})
    read(api, 3)
    assert api.control("/faults").json()["drift_limit"] == 0
