"""How deliveries end: retries, disabled webhooks, connections and threads."""

import threading

import pytest

from hostaway_pipeline.sandbox import SandboxConfig
from hostaway_pipeline.sandbox.deliveries.webhooks import LOG_KEPT, Event, Settings, Webhooks
from hostaway_pipeline.sandbox.world.world import Sandbox, World
from tests.waiting import wait_until

HOOKS = "/webhooks/unifiedWebhooks"
NOBODY = "http://127.0.0.1:9/nobody"
AT_ONCE = 2e5
"""A time scale at which all retries are due immediately."""


@pytest.fixture
def api(start_hooked):
    """An account whose events reach the receiver; an hour of retries takes 18 ms."""
    return start_hooked(webhook_time_scale=AT_ONCE)


def has_answers(api):
    """Whether an attempt has ended."""
    return lambda: bool(api.server.deliveries.counts()["answers"])


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


def test_an_answer_after_the_timeout_is_no_answer(start_hooked, receiver):
    """It is retried, as the timeout of Hostaway, 20 s, is one of ours here."""
    api = start_hooked(webhook_timeout=1.0)
    receiver.pause = lambda: wait_until(has_answers(api))
    api.touch()
    wait_until(has_answers(api))
    counts = api.server.deliveries.counts()
    assert (counts["answers"], counts["pending"]) == ({"none": 1}, 1)


def test_retries_come_after_5_20_and_60_minutes(start_hooked, receiver):
    """This machine may slow down one try, but not all of them."""
    api = start_hooked(webhook_time_scale=3000)
    receiver.status = 500
    wanted = pytest.approx([0.1, 0.4, 1.2], abs=0.09)
    for _ in range(10):
        receiver.received.clear()
        api.touch()
        api.wait_idle()
        first, *retries = (delivery.at for delivery in receiver.deliveries)
        found = [at - first for at in retries]
        if found == wanted:
            break
    assert found == wanted


def test_a_delivery_that_waits_for_a_retry_is_pending(start_hooked, receiver):
    api = start_hooked()
    receiver.status = 500
    api.touch()
    wait_until(has_answers(api))
    assert not api.server.deliveries.wait_idle(0.2)
    assert (api.server.deliveries.pending, len(receiver.deliveries)) == (1, 1)


def test_a_retry_does_not_delay_other_deliveries(start_hooked, receiver):
    api = start_hooked()
    receiver.answers = [500]
    api.touch(20)
    wait_until(lambda: api.server.deliveries.counts()["delivered"] == 19)


def test_a_delivery_to_a_removed_webhook_is_not_retried(start_hooked, receiver):
    """It is removed before the first answer comes."""
    api, is_removed = start_hooked(webhook_time_scale=3000), threading.Event()
    receiver.status = 500
    receiver.pause = lambda: is_removed.wait(60)
    api.touch()
    wait_until(lambda: receiver.deliveries)
    api.delete(f"{HOOKS}/1")
    is_removed.set()
    assert (api.wait_idle()["failed"], len(receiver.deliveries)) == (1, 1)


def fail_for(api, days):
    """Have a delivery fail, pretend that so many days pass, and have another one fail."""
    api.touch()
    api.wait_idle()
    api.account.webhooks.get(1).failing_since -= days * 24 * 3600
    api.touch()
    api.wait_idle()


def test_five_days_of_failures_disable_a_webhook(start_hooked, receiver):
    """A webhook that is enabled again starts afresh."""
    api = start_hooked()
    receiver.status = 400
    fail_for(api, 4.9)
    assert api.result(HOOKS)[0]["isEnabled"] == 1
    fail_for(api, 0.1)
    assert api.result(HOOKS)[0]["isEnabled"] == 0
    tried = len(receiver.deliveries)
    api.touch()
    assert (api.wait_idle()["pending"], len(receiver.deliveries)) == (0, tried)
    api.put(f"{HOOKS}/1", {"isEnabled": 1})
    api.touch()
    api.wait_idle()
    assert (len(receiver.deliveries), api.result(HOOKS)[0]["isEnabled"]) == (tried + 1, 1)


def test_one_success_resets_the_five_days(start_hooked, receiver):
    api = start_hooked()
    for _ in range(2):
        receiver.status = 400
        fail_for(api, 3)
        receiver.status = 200
        api.touch()
        api.wait_idle()
    assert api.result(HOOKS)[0]["isEnabled"] == 1


def test_connections_are_reused(api, receiver):
    """Some are replaced if this machine pauses: the sandbox keeps none that was idle for seconds."""
    api.touch(40)
    api.wait_idle()
    for _ in range(5):
        api.touch(40)
        api.wait_idle()
    assert len({delivery.connection for delivery in receiver.deliveries}) < 60


def test_a_connection_closed_by_the_receiver_loses_no_delivery(start, receiver):
    receiver.closes = True
    api = start(webhook_time_scale=AT_ONCE)
    api.register(receiver.url)
    for _ in range(40):
        wait_until(lambda: not receiver.has_connections)
        api.touch()
        api.wait_idle()
    assert api.wait_idle()["answers"] == {"200": 40}


def test_a_burst_arrives_completely(api, receiver):
    for turn in range(25):
        for reservation_id in api.account.reservations:
            api.account.update_reservation(reservation_id, guestName=f"Guest {turn}")
    assert api.wait_idle()["delivered"] == len(receiver.deliveries) == 1000


def test_a_slow_receiver_does_not_delay_the_api(api, receiver):
    """No lock is held while a delivery is being sent."""
    going = threading.Event()
    receiver.pause = lambda: going.wait(60)
    api.touch(30)
    wait_until(lambda: len(receiver.deliveries) == 16)
    api.touch(1)
    assert api.get("/reservations").status_code == 200
    assert api.server.deliveries.counts()["answers"] == {}, "all are being sent"
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
    wait_until(lambda: len(webhook_threads()) <= before - 16)


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
