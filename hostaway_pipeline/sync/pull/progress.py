"""What a long sync tells whoever watches it. The terminal and Dagster's log are two watchers."""

from typing import Protocol


class Progress(Protocol):
    def expect(self, what: str, total: int | None) -> None:
        """Work on `what` begins; `total` steps of it are known so far."""

    def advance(self, what: str, steps: int) -> None: ...


class Silent:
    """Nobody watches."""

    def expect(self, what: str, total: int | None) -> None:
        pass

    def advance(self, what: str, steps: int) -> None:
        pass
