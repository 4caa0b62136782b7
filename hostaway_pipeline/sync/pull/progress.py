"""The progress interface of a sync, implemented by the terminal and by Dagster's log."""

from typing import Protocol


class Progress(Protocol):
    def expect(self, what: str, total: int | None) -> None:
        """Work on `what` begins, or its `total` is known better; None: unknown."""

    def advance(self, what: str, steps: int) -> None: ...


class Silent:
    """Reports nothing."""

    def expect(self, what: str, total: int | None) -> None:
        pass

    def advance(self, what: str, steps: int) -> None:
        pass
