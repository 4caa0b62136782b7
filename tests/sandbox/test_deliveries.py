"""How deliveries end: what is tried again, when a webhook is disabled, and what can go wrong on the way."""

import threading
import time
from collections import Counter

import pytest

from hostaway_pipeline.sandbox import SandboxConfig
from hostaway_pipeline.sandbox.faults import Faults
from hostaway_pipeline.sandbox.webhooks import LOG_KEPT, Event, Settings, Webhooks
from hostaway_pipeline.sandbox.world import Sandbox, World

HOOKS = "/webhooks/unifiedWebhooks"
LOGS = "/unifiedWebhookLogs"
NOBODY = "http://127.0.0.1:9/nobody"
AT_ONCE = 5e5
"""A time scale at which all retries are due immediately."""


@pytest.fixture
def api(start, receiver):
    """An account whose events reach the receiver, and an hour of retries takes 7 ms."""
    api = start(webhook_time_scale=AT_ONCE)
    api.register(receiver.url)
    return api


def touch(api, times=1):
    for reservation_id in list(api.account.reservations)[:times]:
        api.account.touch_reservation(reservation_id)


def settled(api):
    """The counts once nothing is pending."""
    assert api.server.deliveries.wait_idle(10)
    return api.server.deliveries.counts()


def webhook_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("hostaway-webhooks")]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_ends_it(api, receiver, status):
    receiver.status = status
    touch(api)
    assert (settled(api)["delivered"], len(receiver.deliveries)) == (1, 1)


@pytest.mark.parametrize("status", [429, 500, 502, 503, None])
def test_a_passing_failure_is_tried_again_three_times(api, receiver, status):
    receiver.status = status
    touch(api)
    counts = settled(api)
    assert (counts["delivered"], counts["failed"], len(receiver.deliveries)) == (0, 1, 4)


def test_a_retry_that_succeeds_is_the_last(api, receiver):
    receiver.answers = [503, 200]
    touch(api)
    counts = settled(api)
    assert (counts["delivered"], counts["failed"], counts["answers"]) == (1, 0, {"503": 1, "200": 1})


def test_a_retry_carries_the_same_body(api, receiver):
    receiver.answers = [500]
    touch(api)
    settled(api)
    first, second = receiver.deliveries
    assert first.body == second.body


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_any_other_4xx_is_final(api, receiver, status):
    receiver.status = status
    touch(api)
    assert (settled(api)["failed"], len(receiver.deliveries)) == (1, 1)


@pytest.mark.parametrize("status", [301, 307])
def test_redirects_are_not_followed(api, receiver, status):
    receiver.status = status
    touch(api)
    assert (settled(api)["failed"], len(receiver.deliveries)) == (1, 1)


def test_a_receiver_that_is_not_there_is_tried_four_times(start):
    api = start(webhook_time_scale=AT_ONCE)
    api.register(NOBODY)
    touch(api)
    assert settled(api)["answers"] == {"none": 4}


def test_an_answer_that_takes_too_long_is_none(api, receiver):
    """20 s at Hostaway; scaled, but 2 s at least."""
    slow = iter([2.3])
    receiver.pause = lambda: time.sleep(next(slow, 0))
    touch(api)
    counts = settled(api)
    assert (counts["answers"], counts["delivered"]) == ({"none": 1, "200": 1}, 1)


def test_retries_come_after_5_20_and_60_minutes(start, receiver):
    api = start(webhook_time_scale=3000)
    api.register(receiver.url)
    receiver.status = 500
    touch(api)
    settled(api)
    first, *retries = (one.at for one in receiver.deliveries)
    assert [at - first for at in retries] == pytest.approx([0.1, 0.4, 1.2], abs=0.09)


def test_what_waits_for_a_retry_is_pending(start, receiver):
    api = start()
    api.register(receiver.url)
    receiver.status = 500
    touch(api)
    assert not api.server.deliveries.wait_idle(0.2)
    assert (api.server.deliveries.pending, len(receiver.deliveries)) == (1, 1)


def test_a_retry_holds_up_no_other_delivery(start, receiver):
    api = start()
    api.register(receiver.url)
    receiver.answers = [500]
    touch(api, 20)
    deadline = time.monotonic() + 5
    while api.server.deliveries.counts()["delivered"] < 19 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert api.server.deliveries.counts()["delivered"] == 19


def test_a_removed_webhook_is_not_tried_again(start, receiver):
    api = start(webhook_time_scale=3000)
    hook = api.register(receiver.url)
    receiver.status = 500
    touch(api)
    api.delete(f"{HOOKS}/{hook}")
    counts = settled(api)
    assert (counts["failed"], len(receiver.deliveries) <= 1) == (1, True)


def fail_for(api, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        touch(api)
        settled(api)


def test_five_days_of_nothing_but_failures_disable_a_webhook(api, receiver):
    """0.864 s here. It can be enabled again, and then starts afresh."""
    receiver.status = 400
    fail_for(api, 0.4)
    assert api.result(HOOKS)[0]["isEnabled"] == 1
    fail_for(api, 0.6)
    assert api.result(HOOKS)[0]["isEnabled"] == 0
    tried = len(receiver.deliveries)
    touch(api)
    assert (settled(api)["pending"], len(receiver.deliveries)) == (0, tried)
    api.put(f"{HOOKS}/1", {"isEnabled": 1})
    touch(api)
    settled(api)
    assert (len(receiver.deliveries), api.result(HOOKS)[0]["isEnabled"]) == (tried + 1, 1)


def test_one_success_ends_the_days_in_a_row(api, receiver):
    for _ in range(2):
        receiver.status = 400
        fail_for(api, 0.5)
        receiver.status = 200
        touch(api)
        settled(api)
    assert api.result(HOOKS)[0]["isEnabled"] == 1


def test_an_event_may_come_more_than_once(api, receiver):
    api.server.faults.delivery_copies = 3
    touch(api, 40)
    counts = settled(api)
    copies = Counter(payload["data"]["id"] for payload in receiver.payloads)
    assert set(copies.values()) == {1, 2, 3}
    assert (counts["emitted"], counts["emitted"] + counts["copies"]) == (40, copies.total())


def test_events_may_come_out_of_order(api, receiver):
    api.server.faults.delivery_shuffle_seconds = 0.3
    touch(api, 40)
    settled(api)
    came = [payload["data"]["id"] for payload in receiver.payloads]
    emitted = list(api.account.reservations)
    assert sorted(came) == sorted(emitted)
    assert sum(abs(came.index(one) - emitted.index(one)) for one in emitted) > 200


def test_events_may_be_lost(api, receiver):
    api.server.faults.delivery_drop_share = 0.5
    touch(api, 40)
    counts = settled(api)
    assert 8 < counts["dropped"] < 32
    assert counts["dropped"] + len(receiver.deliveries) == counts["emitted"] == 40


def test_what_was_lost_shows_in_the_log(api, receiver):
    api.server.faults.delivery_drop_share = 1.0
    touch(api)
    settled(api)
    [entry] = api.result(LOGS)
    assert (entry["objectId"], entry["responseStatus"]) == (next(iter(api.account.reservations)), None)
    assert receiver.deliveries == []


def test_what_was_lost_may_not_show_anywhere(api):
    api.server.faults.update(delivery_drop_share=1.0, delivery_drop_logged=False)
    touch(api)
    settled(api)
    assert api.result(LOGS) == []


def test_which_events_are_lost_follows_from_the_seed_alone():
    alone = Faults(delivery_drop_share=0.5)
    together = Faults(delivery_drop_share=0.5, delivery_copies=3, delivery_shuffle_seconds=1.0, hang_share=0.5)
    drops = [(together.delays(), together.hangs(), together.drops())[-1] for _ in range(50)]
    assert drops == [alone.drops() for _ in range(50)]


def test_the_counts_add_up_whatever_goes_wrong(api, receiver):
    api.server.faults.update(delivery_copies=3, delivery_shuffle_seconds=0.05, delivery_drop_share=0.2)
    receiver.answers = [200, 500, 404, None, 429, 503, 200] * 5
    touch(api, 40)
    counts = settled(api)
    ended = counts["delivered"] + counts["failed"] + counts["dropped"]
    assert (ended, counts["pending"]) == (counts["emitted"] + counts["copies"], 0)
    assert sum(counts["answers"].values()) == len(receiver.deliveries)


def test_counts_over_http(api):
    touch(api)
    settled(api)
    assert api.control("/deliveries").json() == {
        "emitted": 1,
        "copies": 0,
        "delivered": 1,
        "dropped": 0,
        "failed": 0,
        "pending": 0,
        "answers": {"200": 1},
        "pings": [{"webhook_id": 1, "method": method, "status": 200} for method in ("GET", "POST")],
    }


def test_counts_are_reset_with_the_counters(api):
    touch(api)
    settled(api)
    api.control("/reset", {})
    counts = api.control("/deliveries").json()
    assert (counts["emitted"], counts["delivered"], counts["answers"], counts["pings"]) == (0, 0, {}, [])


def test_connections_are_kept(api, receiver):
    touch(api, 40)
    settled(api)
    for _ in range(5):
        touch(api, 40)
        settled(api)
    assert len({one.connection for one in receiver.deliveries}) <= 17


def test_a_connection_that_the_receiver_has_closed_costs_no_delivery(api, receiver):
    receiver.closes = True
    for _ in range(40):
        touch(api)
        settled(api)
        time.sleep(0.005)
    assert settled(api)["answers"] == {"200": 40}


def test_a_burst_arrives_completely(api, receiver):
    for turn in range(25):
        for reservation_id in api.account.reservations:
            api.account.update_reservation(reservation_id, guestName=f"Guest {turn}")
    assert settled(api)["delivered"] == len(receiver.deliveries) == 1000


def test_a_slow_receiver_does_not_hold_up_the_api(api, receiver):
    """Nothing is locked while a delivery is on its way."""
    going = threading.Event()
    receiver.pause = lambda: going.wait(5)
    touch(api, 30)
    began = time.monotonic()
    touch(api, 1)
    assert (api.get("/reservations").status_code, time.monotonic() - began < 1) == (200, True)
    going.set()
    settled(api)


def test_nothing_starts_without_a_webhook():
    sandbox = Sandbox(SandboxConfig(traffic=10))
    sandbox.world.account(59808).add_reservation()
    World(SandboxConfig()).account(59808).add_reservation()
    assert (sandbox.deliveries.pending, sandbox.traffic.changes) == (0, 0)


def test_no_worker_outlives_its_server(api, receiver):
    before = len(webhook_threads())
    api.server.stop()
    assert len(webhook_threads()) <= before - 16


def test_the_newest_log_entries_are_kept():
    hooks = Webhooks()
    hook = hooks.add(Settings.parse({"url": NOBODY}))
    for number in range(LOG_KEPT + 5):
        hooks.log(hook, Event("task.created", "task", 1, {"id": number}), 200, "")
    kept = hooks.logged()
    assert (len(kept), kept[0].object_id, kept[-1].object_id) == (LOG_KEPT, LOG_KEPT + 4, 5)


def test_a_time_scale_is_positive():
    with pytest.raises(ValueError, match="time scale"):
        SandboxConfig(webhook_time_scale=0)
