"""The orders of the reservation list that a request can choose by `sortOrder`. Pages of it: world/pages.py."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hostaway_pipeline.sandbox.world.account import Account

DESCENDING = "Desc"
Key = Callable[[Account, int], str | None]


class ReservationOrder(Protocol):
    """The ids of an account's reservations in one order."""

    def __len__(self) -> int: ...

    def ids(self, start: int, stop: int) -> list[int]:
        """The ids at positions [start, stop)."""

    def position_after(self, reservation_id: int) -> int:
        """The position of the row that follows this one. Nothing follows a deleted row."""


def order_of(account: Account, sort_order: str | None) -> ReservationOrder:
    """The order that is requested. Hostaway ignores one that it does not know: then the newest change comes first."""
    name = (sort_order or "").removesuffix(DESCENDING)
    if name not in KEYS:
        return _UpdatedOrder(account, is_ascending=sort_order == "updatedOn")
    key = KEYS[name]
    # Null sorts lowest, and equal keys by id: the reference says neither.
    places = sorted((key(account, reservation_id) or "", reservation_id) for reservation_id in account.reservations)
    ids = [place[1] for place in places]
    return _SortedOrder(ids if sort_order == name else ids[::-1])


@dataclass(slots=True)
class _UpdatedOrder:
    """The default, which the account keeps sorted."""

    account: Account
    is_ascending: bool

    def __len__(self) -> int:
        return len(self.account.order)

    def ids(self, start: int, stop: int) -> list[int]:
        return self.account.order.ids(start, stop, ascending=self.is_ascending)

    def position_after(self, reservation_id: int) -> int:
        row = self.account.reservations.get(reservation_id)
        if row is None:
            return len(self)
        return self.account.order.index_after((row.own["updatedOn"], reservation_id), ascending=self.is_ascending)


@dataclass(slots=True)
class _SortedOrder:
    """An order that is made anew for each request."""

    sorted_ids: list[int]

    def __len__(self) -> int:
        return len(self.sorted_ids)

    def ids(self, start: int, stop: int) -> list[int]:
        return self.sorted_ids[start:stop]

    def position_after(self, reservation_id: int) -> int:
        try:
            return self.sorted_ids.index(reservation_id) + 1
        except ValueError:
            return len(self)


def _last_sent(account: Account, reservation_id: int) -> str | None:
    return max((thread.sent_on for thread in account.threads_of(reservation_id) if thread.sent_on), default=None)


def _last_received(account: Account, reservation_id: int) -> str | None:
    threads = account.threads_of(reservation_id)
    return max((thread.received_on for thread in threads if thread.received_on), default=None)


def _own(key: str) -> Key:
    return lambda account, reservation_id: account.reservations[reservation_id].own.get(key)


KEYS: Mapping[str, Key] = {
    "arrivalDate": _own("arrivalDate"),
    "lastConversationMessageSent": _last_sent,
    "lastConversationMessageReceived": _last_received,
    "latestActivity": _own("latestActivityOn"),
}
"""What each order sorts by, ascending; its name with `Desc` is the same descending."""
