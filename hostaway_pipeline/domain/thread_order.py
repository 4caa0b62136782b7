"""Decides which reservations have new messages, from the order in which Hostaway lists them: newest message first.

The list carries no times of messages, so its order is compared with the markers that are stored. sync/pull/moved.py
reads what this module asks for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hostaway_pipeline.domain.clocks import SKEW, plausible_time
from hostaway_pipeline.domain.values import newest

# When a reservation's newest message of one kind was sent, by Hostaway's clock; None: it has none.
Marker = datetime | None

# So many unmoved reservations have to stand in the order of their markers before the order is believed. By chance, ten
# do so once in three million lists.
_EVIDENCE = 10
_RESOLUTION = timedelta(seconds=1)  # of Hostaway's clock


@dataclass(slots=True)
class ThreadOrder:
    """The front of such a list. `known_until`: earlier syncs saw every message that is older, by Hostaway's clock.

    `checks_ties`: a marker equal to `known_until` is no known ground, since another message of its second may have come
    later. `ids`: the reservations in their order; `stored`: by id, their markers as they were before this sync; `read`:
    by id, the markers that Hostaway gave since the list was requested.
    """

    known_until: datetime
    checks_ties: bool = True
    ids: list[int] = field(default_factory=list)
    stored: dict[int, Marker] = field(default_factory=dict)
    read: dict[int, Marker] = field(default_factory=dict)

    def extend(self, page: Mapping[int, Marker]) -> None:
        """Append a page: ids in its order, with their stored markers. A row that moves may be on two pages."""
        self.ids += [one for one in page if one not in self.stored]
        self.stored = dict(page) | self.stored

    def overtakers(self) -> list[int]:
        """The reservations that stand before one with a newer stored marker, in their order.

        They have moved; otherwise messages of the other one were deleted, or the server ignores the order. Equal
        markers say nothing, since it is unknown how Hostaway orders them.
        """
        found, newest_behind = list[int](), None
        for one in reversed(self.ids):
            if is_newer(newest_behind, self.stored[one]):
                found.append(one)
            newest_behind = newest(newest_behind, self.stored[one])
        return found[::-1]

    def unmoved_overtakers(self) -> list[int]:
        """Those of them that were read and have no newer marker: the order cannot be relied on."""
        return [one for one in self.overtakers() if one in self.read and not self.has_moved(one)]

    def has_moved(self, one: int) -> bool:
        """Whether a newer marker was read than was stored."""
        return is_newer(self.read.get(one), self.stored[one])

    def next_to_read(self) -> int | None:
        """The next reservation to read on the way down to known ground; None: it is reached, or another page is needed.

        A reservation can move without overtaking another one, so each must be read that stands above the ground, except
        where its stored marker equals that of the one above: there is no room for a newer one.
        """
        return self._descend()[0]

    @property
    def is_finished(self) -> bool:
        """Whether no further page is needed: known ground is reached, and the order can be believed."""
        return self.is_grounded and self.is_believable

    @property
    def is_grounded(self) -> bool:
        """Whether known ground is reached: the messages of a reservation, and so of all behind it, are known."""
        return self._descend()[1]

    @property
    def is_believable(self) -> bool:
        """Whether enough reservations that have not moved stand in the order of their stored markers."""
        moved = {*self.overtakers(), *(one for one in self.ids if self.has_moved(one))}
        return len({self.stored[one] for one in self.ids if one not in moved} - {None}) >= _EVIDENCE

    def _descend(self) -> tuple[int | None, bool]:
        above: Marker = None
        for place, one in enumerate(self.ids):
            if one in self.read:
                above = newest(self.read[one], self.stored[one])  # its place may be that of a message since deleted
                if self._is_ground(above):
                    return None, True
            elif place == 0 or self.stored[one] != above:
                return one, False
        return None, False

    def _is_ground(self, marker: Marker) -> bool:
        is_known = marker is None or marker < self.known_until
        return is_known or (marker == self.known_until and not self.checks_ties)


def is_newer(marker: Marker, other: Marker) -> bool:
    return marker is not None and (other is None or marker > other)


def messages_known_until(seen: Iterable[Marker], asked_at: datetime) -> datetime | None:
    """The time, by Hostaway's clock, before which a read that was requested at `asked_at` saw every message.

    `seen`: the markers in the read, the newest ones among them. More messages of the newest second may have followed,
    unless it was over by any clock. What came after the request may be missing, too. None: nothing is known.
    """
    last = newest(*(marker for marker in seen if plausible_time(marker, asked_at)))
    if last is None:
        return None
    is_over = last < asked_at - SKEW
    return min(last + _RESOLUTION if is_over else last, asked_at.replace(microsecond=0))
