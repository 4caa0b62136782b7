"""Faults of deliveries, switched on while the sandbox runs, and the counts that show them."""

from collections import Counter

import pytest

from hostaway_pipeline.sandbox.rules.faults import Faults

LOGS = "/unifiedWebhookLogs"


@pytest.fixture
def api(start_hooked):
    """An account whose events reach the receiver; an hour of retries takes 7 ms."""
    return start_hooked(webhook_time_scale=5e5)


def test_an_event_may_be_delivered_more_than_once(api, receiver):
    api.server.faults.delivery_copies = 3
    api.touch(40)
    counts = api.wait_idle()
    copies = Counter(payload["data"]["id"] for payload in receiver.payloads)
    assert set(copies.values()) == {1, 2, 3}
    assert (counts["emitted"], counts["emitted"] + counts["copies"]) == (40, copies.total())


def test_events_may_arrive_out_of_order(api, receiver):
    api.server.faults.delivery_shuffle_seconds = 0.3
    api.touch(40)
    api.wait_idle()
    came = [payload["data"]["id"] for payload in receiver.payloads]
    emitted = list(api.account.reservations)
    assert sorted(came) == sorted(emitted)
    assert sum(abs(came.index(object_id) - emitted.index(object_id)) for object_id in emitted) > 200


def test_events_may_be_lost(api, receiver):
    api.server.faults.delivery_drop_share = 0.5
    api.touch(40)
    counts = api.wait_idle()
    assert 8 < counts["dropped"] < 32
    assert counts["dropped"] + len(receiver.deliveries) == counts["emitted"] == 40


def test_a_lost_event_is_in_the_log(api, receiver):
    api.server.faults.delivery_drop_share = 1.0
    api.touch()
    api.wait_idle()
    [entry] = api.result(LOGS)
    assert (entry["objectId"], entry["responseStatus"]) == (next(iter(api.account.reservations)), None)
    assert receiver.deliveries == []


def test_a_lost_event_may_be_missing_from_the_log(api):
    api.server.faults.update(delivery_drop_share=1.0, delivery_drop_logged=False)
    api.touch()
    api.wait_idle()
    assert api.result(LOGS) == []


def test_which_events_are_lost_depends_on_the_seed_alone():
    alone = Faults(delivery_drop_share=0.5)
    together = Faults(delivery_drop_share=0.5, delivery_copies=3, delivery_shuffle_seconds=1.0, hang_share=0.5)
    drops = [(together.delays(), together.hangs(None), together.drops())[-1] for _ in range(50)]
    assert drops == [alone.drops() for _ in range(50)]


def test_the_counts_add_up_under_all_faults(api, receiver):
    api.server.faults.update(delivery_copies=3, delivery_shuffle_seconds=0.05, delivery_drop_share=0.2)
    receiver.answers = [200, 500, 404, None, 429, 503, 200] * 5
    api.touch(40)
    counts = api.wait_idle()
    ended = counts["delivered"] + counts["failed"] + counts["dropped"]
    assert (ended, counts["pending"]) == (counts["emitted"] + counts["copies"], 0)
    assert sum(counts["answers"].values()) == len(receiver.deliveries)


def test_counts_over_http(api):
    api.touch()
    api.wait_idle()
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
    api.touch()
    api.wait_idle()
    api.control("/reset", {})
    counts = api.control("/deliveries").json()
    assert (counts["emitted"], counts["delivered"], counts["answers"], counts["pings"]) == (0, 0, {}, [])
