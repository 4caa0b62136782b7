"""Data that changes by itself while a client pages through it. How a change is made: account.py."""

from collections.abc import Callable
from random import Random

from hostaway_pipeline.sandbox.account import Account


class Drift:
    """A seeded rotation of changes, one per `every` answered lists, until `limit` changes were made."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)  # noqa: S311
        self._lists = 0
        self.changes = 0

    def list_answered(self, account: Account, *, every: int, limit: int) -> None:
        """Called under the account's lock, after a list was answered."""
        self._lists += 1
        if every and self.changes < limit and self._lists % every == 0:
            kinds = (
                self._update,
                self._add,
                self._message,
                self._touch,
                self._delete,
                self._new_conversation,
                self._delete_conversation,
            )
            change: Callable[[Account], object] = kinds[self.changes % len(kinds)]
            change(account)
            self.changes += 1

    def _some(self, ids: list[int]) -> int:
        return self._rng.choice(sorted(ids))

    def _update(self, account: Account) -> None:
        account.update_reservation(self._some(list(account.reservations)), guestName=f"Drifted {self.changes}")

    def _add(self, account: Account) -> None:
        account.add_reservation(guestName=f"Added {self.changes}")

    def _message(self, account: Account) -> None:
        account.add_message(self._some(list(account.conversations)), f"drifted {self.changes}", True)

    def _touch(self, account: Account) -> None:
        account.touch_reservation(self._some(list(account.reservations)))

    def _delete(self, account: Account) -> None:
        account.delete_reservation(self._some(list(account.reservations)))

    def _new_conversation(self, account: Account) -> None:
        conversation = account.add_conversation()
        account.add_message(conversation["id"], f"hello {self.changes}", True)

    def _delete_conversation(self, account: Account) -> None:
        account.delete_conversation(self._some(list(account.conversations)))
