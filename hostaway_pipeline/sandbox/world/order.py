"""Keeps row ids sorted by (updatedOn, id) while rows change. Knows nothing of the rows' contents.

The other orders of the reservation list: world/sorting.py.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

Place = tuple[str, int]


class UpdatedOrder:
    """The order of the reservation list: `updatedOn DESC, id DESC` unless ascending is requested."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = sorted(places)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, place: Place) -> None:
        insort(self._places, place)

    def remove(self, place: Place) -> None:
        del self._places[bisect_left(self._places, place)]

    def index_after(self, place: Place, *, ascending: bool) -> int:
        """The position of the row that follows `place`."""
        if ascending:
            return bisect_right(self._places, place)
        return len(self._places) - bisect_left(self._places, place)

    def ids(self, start: int, stop: int, *, ascending: bool) -> list[int]:
        """The ids at positions [start, stop) in the requested direction."""
        total = len(self._places)
        if ascending:
            return [place[1] for place in self._places[start:stop]]
        return [place[1] for place in self._places[max(total - stop, 0) : max(total - start, 0)][::-1]]
