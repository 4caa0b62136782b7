"""How many rows a sync or some events read and wrote."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of an entity a sync read and wrote.

    `unchanged` includes rows where only volatile keys changed and rows older than what is stored.
    """

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(self.as_dict().values(), other.as_dict().values(), strict=True)))

    @property
    def changed(self) -> int:
        """Rows that were written."""
        return self.inserted + self.updated + self.deleted

    def as_dict(self) -> dict[str, int]:
        return asdict(self)
