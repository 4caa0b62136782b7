"""Changes data by itself while a client pages through it. The changes themselves: world/account.py."""

from collections.abc import Callable
from random import Random
from typing import Literal

from hostaway_pipeline.sandbox.world.account import Account

Pool = Literal["reservations", "conversations"]
Change = Callable[[Account, int, str], object]


def start_conversation(account: Account, reservation_id: int, text: str) -> None:
    conversation = account.add_conversation(reservation_id)
    account.add_message(conversation["id"], text, True)


ROTATION: tuple[tuple[Pool | None, Change], ...] = (
    ("reservations", lambda account, key, text: account.update_reservation(key, guestName=text)),
    (None, lambda account, _, text: account.add_reservation(guestName=text)),
    ("conversations", lambda account, key, text: account.add_message(key, text, True)),
    ("reservations", lambda account, key, _: account.touch_reservation(key)),
    ("reservations", lambda account, key, _: account.delete_reservation(key)),
    ("reservations", start_conversation),
    ("conversations", lambda account, key, _: account.delete_conversation(key)),
)
"""The changes in order, each with the entity whose object it changes."""


class Drift:
    """Each account has its own place in the rotation, so requests for others do not affect its changes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._accounts: dict[int, AccountDrift] = {}

    @property
    def changes(self) -> int:
        """How many changes were made in all accounts."""
        return sum(drift.changes for drift in list(self._accounts.values()))

    def changes_of(self, account_id: int) -> int:
        return self._accounts[account_id].changes if account_id in self._accounts else 0

    def count_list(self, account: Account, *, every: int) -> bool:
        """Count an answered list, under the account's lock; returns whether the account changed."""
        if account.id not in self._accounts:
            self._accounts[account.id] = AccountDrift(Random(f"{self._seed} {account.id}"))  # noqa: S311
        return self._accounts[account.id].count_list(account, every)


class AccountDrift:
    """One account's place in the rotation."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._lists = 0
        self._turn = 0
        self.changes = 0

    def count_list(self, account: Account, every: int) -> bool:
        self._lists += 1
        if self._lists < every:
            return False
        self._lists = 0
        object_id, change = self._next(account)
        self.changes += 1
        change(account, object_id, f"Drifted {self.changes}")
        return True

    def _next(self, account: Account) -> tuple[int, Change]:
        """The id and change that come next; skips changes that have no object to change."""
        while True:
            pool, change = ROTATION[self._turn % len(ROTATION)]
            self._turn += 1
            if pool is None:
                return 0, change
            if ids := list(getattr(account, pool)):
                return self._rng.choice(ids), change
