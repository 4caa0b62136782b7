"""Faults that can be switched on while the sandbox runs. A new kind is one field here and one line where it bites."""

import time
from collections.abc import Collection
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
    hang_share: float = 0.0
    """Share of requests that are never answered."""
    cut_share: float = 0.0
    """Share of answers whose connection is cut in the middle of the body."""
    storm_seconds: float = 0.0
    """For so long from the moment this is set, every request is refused with 429."""
    revoke_after: int | None = None
    """After so many more requests, once, all tokens of the account that asks are revoked."""
    dead_accounts: Collection[int] = frozenset()
    """503 to every request of these accounts."""
    drift_every: int = 0
    """After so many answered lists the account changes by itself, up to `drift_limit` times."""
    drift_limit: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        self._rng = Random(self.seed)  # noqa: S311
        self._storm_until = 0.0

    def update(self, **changes: Any) -> None:
        """Change some switches; raises ValueError for one that does not exist."""
        if unknown := changes.keys() - self.switches().keys():
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        for name, value in changes.items():
            setattr(self, name, frozenset(value) if name == "dead_accounts" else value)
        if "storm_seconds" in changes:
            self._storm_until = time.monotonic() + self.storm_seconds
        if "seed" in changes:
            self._rng.seed(self.seed)

    def clear(self) -> None:
        """Everything works again."""
        self.update(**{switch.name: switch.default for switch in fields(self)})

    def switches(self) -> dict[str, Any]:
        """By name, as JSON types."""
        values = {switch.name: getattr(self, switch.name) for switch in fields(self)}
        return values | {"dead_accounts": sorted(self.dead_accounts)}

    def error_status(self, account_id: int | None) -> int | None:
        """The 5xx this request gets instead of an answer."""
        if self.down or account_id in self.dead_accounts:
            return 503
        if self.error_share and self._rng.random() < self.error_share:
            return self._rng.choice(GATEWAY_STATUSES)
        return None

    def is_garbled(self) -> bool:
        """Whether this answer's body is cut in half."""
        if self.body == "truncated":
            return True
        return bool(self.garbled_share) and self._rng.random() < self.garbled_share

    def hangs(self) -> bool:
        return bool(self.hang_share) and self._rng.random() < self.hang_share

    def is_cut(self) -> bool:
        return bool(self.cut_share) and self._rng.random() < self.cut_share

    def storm_left(self, now: float) -> float:
        """Seconds until the storm of 429s is over; `now` is monotonic."""
        return max(0.0, self._storm_until - now)

    def revokes_now(self) -> bool:
        """Whether the countdown ends with this request."""
        if self.revoke_after is None:
            return False
        self.revoke_after -= 1
        if self.revoke_after > 0:
            return False
        self.revoke_after = None
        return True

    def shorten(self, ids: list[int]) -> list[int]:
        """What a faulty answer leaves of the listings."""
        kept = {"full": len(ids), "half": len(ids) // 2, "empty": 0}[self.listings_answer]
        return ids[:kept]
