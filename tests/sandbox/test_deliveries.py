"""How deliveries end: retries, disabled webhooks, connections and threads."""

import threading
import time

import pytest

from hostaway_pipeline.sandbox import SandboxConfig
from hostaway_pipeline.sandbox.deliveries.webhooks import LOG_KEPT, Event, Settings, Webhooks
from hostaway_pipeline.sandbox.world.world import Sandbox, World

HOOKS = "/webhooks/unifiedWebhooks"
NOBODY = "http://127.0.0.1:9/nobody"
AT_ONCE = 2e5
"""A time scale at which all retries are due immediately."""


@pytest.fixture
def api(start_hooked):
    """An account whose events reach the receiver; an hour of retries takes 18 ms."""
    return start_hooked(webhook_time_scale=AT_ONCE)


def webhook_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("hostaway-webhooks")]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_ends_a_delivery(api, receiver, status):
    receiver.status = status
    api.touch()
    assert (api.wait_idle()["delivered"], len(receiver.deliveries)) == (1, 1)


@pytest.mark.parametrize("status", [429, 500, 502, 503, None])
def test_a_transient_failure_is_retried_three_times(api, receiver, status):
    receiver.status = status
    api.touch()
    counts = api.wait_idle()
    assert (counts["delivered"], counts["failed"], len(receiver.deliveries)) == (0, 1, 4)


def test_a_retry_that_succeeds_is_the_last(api, receiver):
    receiver.answers = [503, 200]
    api.touch()
    counts = api.wait_idle()
    assert (counts["delivered"], counts["failed"], counts["answers"]) == (1, 0, {"503": 1, "200": 1})


def test_a_retry_carries_the_same_body(api, receiver):
    receiver.answers = [500]
    api.touch()
    api.wait_idle()
    first, second = receiver.deliveries
    assert first.body == second.body


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_any_other_4xx_is_final(api, receiver, status):
    receiver.status = status
    api.touch()
    assert (api.wait_idle()["failed"], len(receiver.deliveries)) == (1, 1)


@pytest.mark.parametrize("status", [301, 307])
def test_redirects_are_not_followed(api, receiver, status):
    receiver.status = status
    api.touch()
    assert (api.wait_idle()["failed"], len(receiver.deliveries)) == (1, 1)


def test_an_unreachable_receiver_is_tried_four_times(start):
    api = start(webhook_time_scale=AT_ONCE)
    api.register(NOBODY)
    api.touch()
    assert api.wait_idle()["answers"] == {"none": 4}


def test_an_answer_after_the_timeout_is_no_answer(api, receiver):
    """The timeout is 20 s at Hostaway; scaled here, but at least 2 s."""
    slow = iter([2.3])
    receiver.pause = lambda: time.sleep(next(slow, 0))
    api.touch()
    counts = api.wait_idle()
    assert (counts["answers"], counts["delivered"]) == ({"none": 1, "200": 1}, 1)


def test_retries_come_after_5_20_and_60_minutes(start_hooked, receiver):
    api = start_hooked(webhook_time_scale=3000)
    receiver.status = 500
    api.touch()
    api.wait_idle()
    first, *retries = (delivery.at for delivery in receiver.deliveries)
    assert [at - first for at in retries] == pytest.approx([0.1, 0.4, 1.2], abs=0.09)


def test_a_delivery_that_waits_for_a_retry_is_pending(start_hooked, receiver):
    api = start_hooked()
    receiver.status = 500
    api.touch()
    assert not api.server.deliveries.wait_idle(0.2)
    assert (api.server.deliveries.pending, len(receiver.deliveries)) == (1, 1)


def test_a_retry_does_not_delay_other_deliveries(start_hooked, receiver):
    api = start_hooked()
    receiver.answers = [500]
    api.touch(20)
    deadline = time.monotonic() + 5
    while api.server.deliveries.counts()["delivered"] < 19 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert api.server.deliveries.counts()["delivered"] == 19


def test_a_delivery_to_a_removed_webhook_is_not_retried(start_hooked, receiver):
    api = start_hooked(webhook_time_scale=3000)
    receiver.status = 500
    api.touch()
    api.delete(f"{HOOKS}/1")
    counts = api.wait_idle()
    assert (counts["failed"], len(receiver.deliveries) <= 1) == (1, True)


def fail_for(api, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        api.touch()
        api.wait_idle()


def test_five_days_of_failures_disable_a_webhook(api, receiver):
    """Five days take 2.16 s here. A webhook that is enabled again starts afresh."""
    receiver.status = 400
    fail_for(api, 0.8)
    assert api.result(HOOKS)[0]["isEnabled"] == 1
    fail_for(api, 1.5)
    assert api.result(HOOKS)[0]["isEnabled"] == 0
    tried = len(receiver.deliveries)
    api.touch()
    assert (api.wait_idle()["pending"], len(receiver.deliveries)) == (0, tried)
    api.put(f"{HOOKS}/1", {"isEnabled": 1})
    api.touch()
    api.wait_idle()
    assert (len(receiver.deliveries), api.result(HOOKS)[0]["isEnabled"]) == (tried + 1, 1)


def test_one_success_resets_the_five_days(api, receiver):
    for _ in range(2):
        receiver.status = 400
        fail_for(api, 1.2)
        receiver.status = 200
        api.touch()
        api.wait_idle()
    assert api.result(HOOKS)[0]["isEnabled"] == 1


def test_connections_are_reused(api, receiver):
    api.touch(40)
    api.wait_idle()
    for _ in range(5):
        api.touch(40)
        api.wait_idle()
    assert len({delivery.connection for delivery in receiver.deliveries}) <= 17


def test_a_connection_closed_by_the_receiver_loses_no_delivery(api, receiver):
    receiver.closes = True
    for _ in range(40):
        api.touch()
        api.wait_idle()
        time.sleep(0.005)
    assert api.wait_idle()["answers"] == {"200": 40}


def test_a_burst_arrives_completely(api, receiver):
    for turn in range(25):
        for reservation_id in api.account.reservations:
            api.account.update_reservation(reservation_id, guestName=f"Guest {turn}")
    assert api.wait_idle()["delivered"] == len(receiver.deliveries) == 1000


def test_a_slow_receiver_does_not_delay_the_api(api, receiver):
    """No lock is held while a delivery is being sent."""
    going = threading.Event()
    receiver.pause = lambda: going.wait(5)
    api.touch(30)
    began = time.monotonic()
    api.touch(1)
    assert (api.get("/reservations").status_code, time.monotonic() - began < 1) == (200, True)
    going.set()
    api.wait_idle()


def test_no_delivery_starts_without_a_webhook():
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


def test_a_time_scale_must_be_positive():
    with pytest.raises(ValueError, match="time scale"):
        SandboxConfig(webhook_time_scale=0)
