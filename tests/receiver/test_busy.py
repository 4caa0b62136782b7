"""While slow calls hold every thread of the API, probes answer and deliveries are stored."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.services import Services
from tests.factories import rows, synced
from tests.receiver.steps import ACCOUNT, PING, OpenReceiver
from tests.waiting import wait_until

SENDS = 40


@pytest.fixture
def reservation_id(services: Services, database_url: str) -> int:
    synced(services, ACCOUNT)
    query = "SELECT reservation_id FROM hostaway.conversations WHERE reservation_id IS NOT NULL LIMIT 1"
    return int(rows(database_url, query)[0]["reservation_id"])


def test_probes_and_deliveries_do_not_wait_for_slow_sends(
    open_receiver: OpenReceiver, sandbox: SandboxServer, reservation_id: int
) -> None:
    receiver = open_receiver(read_timeout=60.0)
    assert receiver.deliver(PING).ok
    sandbox.faults.update(hang_share=1.0)
    sandbox.counters.reset()
    pool = ThreadPoolExecutor(SENDS)
    try:
        for number in range(SENDS):
            new = {"reservation_id": reservation_id, "message": f"Hello {number}"}
            pool.submit(receiver.api, "POST", "/messages", new, **{"Idempotency-Key": f"key-{number}"})
        wait_until(lambda: sandbox.counters.max_in_flight >= 5)
        slowest = 0.0
        end = time.monotonic() + 4
        while time.monotonic() < end:
            for path in ("/ready", "/metrics", "/health"):
                began = time.monotonic()
                assert receiver.http.get(receiver.url + path, timeout=30).status_code == 200
                slowest = max(slowest, time.monotonic() - began)
            began = time.monotonic()
            assert receiver.deliver(PING).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.2)
    finally:
        sandbox.faults.clear()
        pool.shutdown(wait=False)  # the sends end with the receiver: 30 a minute would take a minute
    assert slowest < 25, "less than the minute that each send takes"
