"""What can go wrong on the way to a webhook, switched on while the sandbox runs, and the counts that tell of it."""

from collections import Counter

import pytest

from hostaway_pipeline.sandbox.rules.faults import Faults

LOGS = "/unifiedWebhookLogs"


@pytest.fixture
def api(start, receiver):
    """An account whose events reach the receiver, and an hour of retries takes 7 ms."""
    api = start(webhook_time_scale=5e5)
    api.register(receiver.url)
    return api


def test_an_event_may_come_more_than_once(api, receiver):
    api.server.faults.delivery_copies = 3
    api.touch(40)
    counts = api.settled()
    copies = Counter(payload["data"]["id"] for payload in receiver.payloads)
    assert set(copies.values()) == {1, 2, 3}
    assert (counts["emitted"], counts["emitted"] + counts["copies"]) == (40, copies.total())


def test_events_may_come_out_of_order(api, receiver):
    api.server.faults.delivery_shuffle_seconds = 0.3
    api.touch(40)
    api.settled()
    came = [payload["data"]["id"] for payload in receiver.payloads]
    emitted = list(api.account.reservations)
    assert sorted(came) == sorted(emitted)
    assert sum(abs(came.index(one) - emitted.index(one)) for one in emitted) > 200


def test_events_may_be_lost(api, receiver):
    api.server.faults.delivery_drop_share = 0.5
    api.touch(40)
    counts = api.settled()
    assert 8 < counts["dropped"] < 32
    assert counts["dropped"] + len(receiver.deliveries) == counts["emitted"] == 40


def test_what_was_lost_shows_in_the_log(api, receiver):
    api.server.faults.delivery_drop_share = 1.0
    api.touch()
    api.settled()
    [entry] = api.result(LOGS)
    assert (entry["objectId"], entry["responseStatus"]) == (next(iter(api.account.reservations)), None)
    assert receiver.deliveries == []


def test_what_was_lost_may_not_show_anywhere(api):
    api.server.faults.update(delivery_drop_share=1.0, delivery_drop_logged=False)
    api.touch()
    api.settled()
    assert api.result(LOGS) == []


def test_which_events_are_lost_follows_from_the_seed_alone():
    alone = Faults(delivery_drop_share=0.5)
    together = Faults(delivery_drop_share=0.5, delivery_copies=3, delivery_shuffle_seconds=1.0, hang_share=0.5)
    drops = [(together.delays(), together.hangs(None), together.drops())[-1] for _ in range(50)]
    assert drops == [alone.drops() for _ in range(50)]


def test_the_counts_add_up_whatever_goes_wrong(api, receiver):
    api.server.faults.update(delivery_copies=3, delivery_shuffle_seconds=0.05, delivery_drop_share=0.2)
    receiver.answers = [200, 500, 404, None, 429, 503, 200] * 5
    api.touch(40)
    counts = api.settled()
    ended = counts["delivered"] + counts["failed"] + counts["dropped"]
    assert (ended, counts["pending"]) == (counts["emitted"] + counts["copies"], 0)
    assert sum(counts["answers"].values()) == len(receiver.deliveries)


def test_counts_over_http(api):
    api.touch()
    api.settled()
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
    api.settled()
    api.control("/reset", {})
    counts = api.control("/deliveries").json()
    assert (counts["emitted"], counts["delivered"], counts["answers"], counts["pings"]) == (0, 0, {}, [])
