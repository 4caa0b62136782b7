"""Counts this process's deliveries by their result."""

from collections import Counter


class Results:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, result: str) -> None:
        self._counts[result] += 1

    def items(self) -> list[tuple[str, int]]:
        return sorted(self._counts.items())
