"""Faults that can be switched on while the sandbox runs. A new kind is one field here and one line where it bites."""

from dataclasses import dataclass, fields
from random import Random
from typing import Any, Literal

GATEWAY_STATUSES = (500, 502, 503, 504)


@dataclass
class Faults:
    """All off by default. Shares are between 0 and 1 and drawn from `seed`."""

    down: bool = False
    """503 to everything."""
    body: Literal["json", "html", "truncated"] = "json"
    """What a 200 carries."""
    listings_answer: Literal["full", "empty", "half"] = "full"
    """A listing list that is too short; its `count` agrees with it."""
    error_share: float = 0.0
    """Share of requests answered with a 5xx."""
    garbled_share: float = 0.0
    """Share of answers whose body is cut in half."""
    page_cap: int | None = None
    """Lowers the page cap of every list."""
    seed: int = 1

    def __post_init__(self) -> None:
        self._rng = Random(self.seed)  # noqa: S311

    def update(self, **changes: Any) -> None:
        """Change some switches; raises ValueError for one that does not exist."""
        if unknown := changes.keys() - self.switches().keys():
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        for name, value in changes.items():
            setattr(self, name, value)
        if "seed" in changes:
            self._rng.seed(self.seed)

    def clear(self) -> None:
        """Everything works again."""
        self.update(**{switch.name: switch.default for switch in fields(self)})

    def switches(self) -> dict[str, Any]:
        return {switch.name: getattr(self, switch.name) for switch in fields(self)}

    def error_status(self) -> int | None:
        """The 5xx this request gets instead of an answer."""
        if self.down:
            return 503
        if self.error_share and self._rng.random() < self.error_share:
            return self._rng.choice(GATEWAY_STATUSES)
        return None

    def is_garbled(self) -> bool:
        """Whether this answer's body is cut in half."""
        if self.body == "truncated":
            return True
        return bool(self.garbled_share) and self._rng.random() < self.garbled_share

    def shorten(self, ids: list[int]) -> list[int]:
        """What a faulty answer leaves of the listings."""
        kept = {"full": len(ids), "half": len(ids) // 2, "empty": 0}[self.listings_answer]
        return ids[:kept]
