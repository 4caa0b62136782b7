"""Guests and hosts who change the accounts all the time, at a given rate. How a change is made: account.py."""

import time
from collections.abc import Iterable
from random import Random
from threading import Condition, Thread

from hostaway_pipeline.sandbox.templates import STATUSES
from hostaway_pipeline.sandbox.world.account import Account

LONGEST_LAG = 1.0
"""Seconds of changes that are made up for after a pause; more would come as a burst."""


class Traffic:
    """Makes changes between `start` and `stop`; the rate can be switched at any time."""

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
        """Changes per second in all accounts together; 0 is none. Raises ValueError for nonsense."""
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < float("inf"):
            raise ValueError(f"not a number of changes per second: {rate!r}")
        with self._wake:
            self._per_second = float(rate)
            self._go()

    def start(self) -> None:
        with self._wake:
            self._is_running = True
            self._go()

    def stop(self) -> None:
        with self._wake:
            self._is_running = False
            self._wake.notify_all()
        if self._thread:
            self._thread.join()

    def _go(self) -> None:
        """Without traffic there is no thread either."""
        self._wake.notify_all()
        if self._is_running and self._per_second and self._accounts and self._thread is None:
            self._thread = Thread(target=self._run, name="hostaway-traffic", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        made_at = time.monotonic()
        while True:
            made_at = max(made_at, time.monotonic() - LONGEST_LAG)
            with self._wake:
                while self._is_running and (wait := self._wait(made_at)) != 0:
                    if self._wake.wait(wait):
                        # A switched rate counts from now: the pause of a low one is not made up for at a high one.
                        made_at = time.monotonic()
                if not self._is_running:
                    return
                made_at += 1 / self._per_second
            change(self._rng.choice(self._accounts), self._rng)
            self.changes += 1

    def _wait(self, made_at: float) -> float | None:
        """Seconds until the next change, 0 if it is due, None if none will come."""
        if not self._per_second:
            return None
        return max(0.0, made_at + 1 / self._per_second - time.monotonic())


def change(account: Account, rng: Random) -> None:
    """Half updates of reservations, a tenth touches, a tenth new ones; the rest are guests who write."""
    with account.lock:
        kind = rng.random()
        if not len(account.order) or 0.6 <= kind < 0.7:
            account.add_reservation(guestName=f"Guest {rng.randrange(10_000)}")
            return
        place = rng.randrange(len(account.order))
        reservation_id = account.order.ids(place, place + 1, ascending=True)[0]
        if kind < 0.5:
            update(account, reservation_id, rng)
        elif kind < 0.6:
            account.touch_reservation(reservation_id)
        else:
            write(account, reservation_id, rng)


def update(account: Account, reservation_id: int, rng: Random) -> None:
    match rng.randrange(3):
        case 0:
            account.update_reservation(reservation_id, guestName=f"Guest {rng.randrange(10_000)}")
        case 1:
            account.update_reservation(reservation_id, totalPrice=round(rng.uniform(40, 4000), 2))
        case _:
            account.update_reservation(reservation_id, status=rng.choice(STATUSES))


def write(account: Account, reservation_id: int, rng: Random) -> None:
    """In a conversation of that reservation; sometimes, or when it has none, in a new one."""
    threads = account.threads_of(reservation_id)
    if threads and rng.random() < 0.8:
        conversation_id = rng.choice(threads).id
    else:
        conversation_id = account.add_conversation(reservation_id)["id"]
    account.add_message(conversation_id, f"Question {rng.randrange(1_000_000)}", True)
