"""Changes accounts at a given rate, as guests and hosts do. The changes themselves: world/account.py."""

import time
from collections.abc import Iterable
from random import Random
from threading import Condition, Thread

from hostaway_pipeline.sandbox.world import moves, revisions
from hostaway_pipeline.sandbox.world.account import Account

LONGEST_LAG = 1.0
"""Seconds of changes to catch up on after a pause; more would be a burst."""
MOVES = 0.12
"""The share of updates that try to move a stay; in four of five there is one, and room for it."""


class Traffic:
    """Makes changes between `start` and `stop`; the rate can be changed at any time."""

    def __init__(self, accounts: Iterable[Account], per_second: float, seed: int) -> None:
        self._accounts = list(accounts)
        self._rng = Random(f"{seed} traffic")  # noqa: S311
        self._wake = Condition()
        self._per_second = 0.0
        self._is_running = False
        self._thread: Thread | None = None
        self.changes = 0
        self.per_second = per_second

    @property
    def per_second(self) -> float:
        return self._per_second

    @per_second.setter
    def per_second(self, rate: float) -> None:
        """Set the changes per second across all accounts; 0 is none. Raises ValueError for an invalid rate."""
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < float("inf"):
            raise ValueError(f"not a number of changes per second: {rate!r}")
        with self._wake:
            self._per_second = float(rate)
            self._start_or_wake()

    def start(self) -> None:
        with self._wake:
            self._is_running = True
            self._start_or_wake()

    def stop(self) -> None:
        with self._wake:
            self._is_running = False
            self._wake.notify_all()
        if self._thread:
            self._thread.join()

    def _start_or_wake(self) -> None:
        """Wake the thread, or start it with the first traffic: without traffic there is no thread."""
        self._wake.notify_all()
        if self._is_running and self._per_second and self._accounts and self._thread is None:
            self._thread = Thread(target=self._run, name="hostaway-traffic", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        changed_at = time.monotonic()
        while True:
            changed_at = max(changed_at, time.monotonic() - LONGEST_LAG)
            with self._wake:
                while self._is_running and (wait := self._wait(changed_at)) != 0:
                    if self._wake.wait(wait):
                        # A new rate counts from now: do not catch up on a slow rate's pause at a fast one.
                        changed_at = time.monotonic()
                if not self._is_running:
                    return
                changed_at += 1 / self._per_second
            change(self._rng.choice(self._accounts), self._rng)
            self.changes += 1

    def _wait(self, changed_at: float) -> float | None:
        """Seconds until the next change, 0 if it is due, None if there is no traffic."""
        if not self._per_second:
            return None
        return max(0.0, changed_at + 1 / self._per_second - time.monotonic())


def change(account: Account, rng: Random) -> None:
    """Make one change: 50% updates of reservations, 10% touches, 10% new ones, 30% messages from guests."""
    with account.lock:
        kind = rng.random()
        if not len(account.order) or 0.6 <= kind < 0.7:
            account.add_reservation(guestName=f"Guest {rng.randrange(10_000)}")
            return
        place = rng.randrange(len(account.order))
        reservation_id = account.order.ids(place, place + 1, ascending=True)[0]
        if kind < 0.5:
            update_reservation(account, reservation_id, rng)
        elif kind < 0.6:
            account.touch_reservation(reservation_id)
        else:
            write_message(account, reservation_id, rng)


def update_reservation(account: Account, reservation_id: int, rng: Random) -> None:
    """Update the reservation, or move a stay of its listing to other nights, if one can move."""
    if rng.random() < MOVES and moves.move(account, account.reservations[reservation_id].own["listingMapId"], rng):
        return
    match rng.randrange(3):
        case 0:
            revisions.rename(account, reservation_id, rng)
        case 1:
            revisions.reprice(account, reservation_id, rng)
        case _:
            revisions.change_status(account, reservation_id, rng)


def write_message(account: Account, reservation_id: int, rng: Random) -> None:
    """Add a guest's message to a conversation of that reservation; to a new one sometimes, or when it has none."""
    threads = account.threads_of(reservation_id)
    if threads and rng.random() < 0.8:
        conversation_id = rng.choice(threads).id
    else:
        conversation_id = account.add_conversation(reservation_id)["id"]
    account.add_message(conversation_id, f"Question {rng.randrange(1_000_000)}", True)
