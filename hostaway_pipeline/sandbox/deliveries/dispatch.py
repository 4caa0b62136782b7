"""Delivers events to webhooks: envelope, retries, disabling, and counts. Threads: deliveries/workers.py."""

import time
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

import orjson

from hostaway_pipeline.sandbox.deliveries.posting import Answer, Connections
from hostaway_pipeline.sandbox.deliveries.webhooks import Event, Settings, Webhook, Webhooks
from hostaway_pipeline.sandbox.deliveries.workers import Workers
from hostaway_pipeline.sandbox.rules.faults import Faults

THREADS = 16
RETRY_AFTER = (5 * 60.0, 20 * 60.0, 60 * 60.0)
"""Seconds after the first attempt."""
DISABLE_AFTER = 5 * 24 * 3600.0
"""Seconds of nothing but failures after which a webhook is disabled."""
PING = b'{"data":"test"}'


class Ping(NamedTuple):
    """How a URL answered the request that tests it; `status` is None when no answer came."""

    webhook_id: int
    method: str
    status: int | None


@dataclass(slots=True)
class Delivery:
    """One copy of one event for one webhook."""

    hooks: Webhooks
    hook: Webhook
    event: Event
    body: bytes
    first_at: float
    retries: int = 0


class Deliveries:
    """Queues, sends and counts deliveries. `time_scale` is how many of Hostaway's seconds pass in one of ours, and
    `timeout` is in ours.

    Apart from pings, emitted + copies = delivered + failed + dropped + pending: an event counts once per
    webhook, and each copy beyond the first counts under `copies`.
    """

    def __init__(self, faults: Faults, time_scale: float, timeout: float) -> None:
        self._faults = faults
        self._scale = time_scale
        self._workers = Workers(THREADS, timeout)
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._pings: list[Ping] = []

    @property
    def pings(self) -> list[Ping]:
        """The pings since the last reset, in the order of their answers."""
        with self._lock:
            return list(self._pings)

    @property
    def pending(self) -> int:
        """How many deliveries and pings are queued, being sent or waiting for a retry."""
        return self._workers.pending

    def counts(self) -> dict[str, Any]:
        """The counts as JSON types; `answers` is by status, with `none` where no answer came."""
        # Read `pending` first, so that when it is 0 the other counts are final.
        pending = self.pending
        with self._lock:
            outcomes = {name: self._counts[name] for name in ("emitted", "copies", "delivered", "dropped", "failed")}
            answers = {"answers": dict(self._answers), "pings": [ping._asdict() for ping in self._pings]}
        return outcomes | {"pending": pending} | answers

    def reset(self) -> None:
        """Set the counts to zero. Pending deliveries stay and are counted when they end."""
        with self._lock:
            self._counts.clear()
            self._answers.clear()
            self._pings.clear()

    def wait_idle(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until nothing is pending; return whether that is so."""
        return self._workers.wait_idle(timeout)

    def stop(self) -> None:
        self._workers.stop()

    def ping(self, hook: Webhook) -> None:
        """Send a test GET and POST to a new URL; it stays registered whatever it answers."""
        self._workers.schedule(time.monotonic(), partial(self._ping, hook))

    def emit(self, hooks: Webhooks, event: Event) -> None:
        """Queue an event for every enabled webhook. Called under the account's lock, so it does not send."""
        if enabled := hooks.enabled():
            body = envelope(event, is_nested=self._faults.nested_envelope)
            for hook in enabled:
                self._queue(hooks, hook, event, body)

    def _queue(self, hooks: Webhooks, hook: Webhook, event: Event, body: bytes) -> None:
        now = time.monotonic()
        with self._lock:
            self._counts["emitted"] += 1
            if is_dropped := self._faults.drops():
                self._counts["dropped"] += 1
            delays = [] if is_dropped else self._faults.delays()
            self._counts["copies"] += max(0, len(delays) - 1)
        if is_dropped and self._faults.delivery_drop_logged:
            hooks.log(hook, event, None, "")
        for delay in delays:
            delivery = Delivery(hooks, hook, event, body, now + delay)
            self._workers.schedule(delivery.first_at, partial(self._attempt, delivery))

    def _attempt(self, delivery: Delivery, connections: Connections) -> None:
        hook = delivery.hook
        if not hook.is_enabled:
            self._count("failed")
            return
        answer = connections.send("POST", hook.settings.url, request_headers(hook.settings), delivery.body)
        delivery.hooks.log(hook, delivery.event, answer.status, answer.body)
        self._count_answer(answer)
        if answer.is_success:
            delivery.hooks.record_success(hook)
            self._count("delivered")
            return
        delivery.hooks.record_failure(hook, time.monotonic(), DISABLE_AFTER / self._scale)
        if answer.is_transient and delivery.retries < len(RETRY_AFTER):
            self._retry(delivery)
        else:
            self._count("failed")

    def _retry(self, delivery: Delivery) -> None:
        due = delivery.first_at + RETRY_AFTER[delivery.retries] / self._scale
        delivery.retries += 1
        self._workers.schedule(due, partial(self._attempt, delivery))

    def _ping(self, hook: Webhook, connections: Connections) -> None:
        headers = request_headers(hook.settings)
        for method, body in (("GET", None), ("POST", PING)):
            answer = connections.send(method, hook.settings.url, headers, body)
            with self._lock:
                self._pings.append(Ping(hook.id, method, answer.status))

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1

    def _count_answer(self, answer: Answer) -> None:
        with self._lock:
            self._answers["none" if answer.status is None else str(answer.status)] += 1


def envelope(event: Event, *, is_nested: bool) -> bytes:
    """The body of a delivery: flat, or nested in `payload`, a form that was seen once."""
    flat = {"object": event.kind, "event": event.event, "accountId": event.account_id, "data": event.data}
    return orjson.dumps({"payload": flat} if is_nested else flat)


def request_headers(settings: Settings) -> dict[str, str]:
    """The headers of a delivery: basic auth if there is a login or a password, and no signature."""
    headers = {"Content-Type": "application/json", "User-Agent": "Hostaway"}
    if settings.login is not None or settings.password is not None:
        credentials = f"{settings.login or ''}:{settings.password or ''}".encode()
        headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"
    return headers
