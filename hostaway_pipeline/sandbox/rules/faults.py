"""Faults that can be switched on while the sandbox runs. A new kind is one field here and one line where it bites."""

import time
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

GATEWAY_STATUSES = (500, 502, 503, 504)

Oddity = Literal[
    "empty",
    "empty-after-first",
    "null",
    "html",
    "html-404",
    "404",
    "500",
    "text-count",
    "no-count",
    "one-more",
    "one-less",
]
"""An empty list, one that is empty behind its first page, `result: null`, a page of a gateway's with 200 or 404,
Hostaway's own 404 or 500; a count that is text, is missing, or is off by one."""

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Number = Annotated[int, Field(ge=0)]


class Faults(BaseModel):
    """All off by default; to assign is to switch, and nonsense is a ValueError.

    Every share draws from a sequence of its own, made from `seed`: one fault does not move another.
    """

    model_config = ConfigDict(validate_assignment=True, extra="forbid")

    down: bool = False
    """503 to everything."""
    dead_accounts: set[int] = Field(default_factory=set)
    """503 to every request of these accounts, requests for tokens included."""
    error_share: Share = 0.0
    """Share of requests answered with a 5xx."""
    storm_seconds: Seconds = 0.0
    """For so long from the moment this is set, requests are refused with 429 whatever the limits say."""
    storm_share: Share = 1.0
    """Share of requests that a storm refuses."""
    revoke_after: Number | None = None
    """After so many more answered requests, once, all tokens of the account that asks next are revoked."""
    revoke_account: int | None = None
    """`revoke_after` counts and revokes this account only."""
    body: Literal["json", "html", "truncated"] = "json"
    """What a 200 carries."""
    listings_answer: Literal["full", "empty", "half"] = "full"
    """A listing list that is too short; its `count` agrees with it."""
    odd_answers: dict[str, Oddity] = Field(default_factory=dict)
    """What GETs get instead of their right answer, by path or by its template, such as `/v1/listings/{id}`."""
    odd_answers_left: Number | None = None
    """So many of them are left; None: there is no end to them."""
    garbled_share: Share = 0.0
    """Share of answers whose body is cut in half, with a Content-Length that agrees."""
    cut_share: Share = 0.0
    """Share of answers whose connection is cut in the middle of the body."""
    hang_share: Share = 0.0
    """Share of accepted requests that are never answered, though they may have taken effect."""
    dribble: Literal["none", "headers", "body"] = "none"
    """Accepted requests are answered a byte at a time, twenty a second: there is always one more."""
    hanging_accounts: set[int] = Field(default_factory=set)
    """Requests of these accounts are never answered."""
    page_cap: Annotated[int, Field(ge=1)] | None = None
    """Lowers the page cap of every list, without a word."""
    clock_skew: float | None = None
    """Seconds by which the times of changed objects lie ahead of the present, or behind: so they may go back, too."""
    lists_lack: set[str] = Field(default_factory=set)
    """Keys that the objects of lists do not carry, though a single object and a webhook do."""
    drift_every: Number = 0
    """After so many answered lists an account changes by itself."""
    drift_limit: Number | None = None
    """How many changes are left until the data stands still; None: it never does."""
    send_unclear: Literal["none", "cut", "hang", "500", "lost"] = "none"
    """A message is stored, but the answer to sending it breaks off, never comes or is a 500; `lost`: it is a 500, and
    nothing is stored."""
    send_delay: Seconds = 0.0
    """A message is stored, and its sending answered, so long after the request, whether or not the sender waits."""
    send_escapes: bool = False
    """Messages are stored with `&`, `<` and `>` as HTML entities."""
    nested_envelope: bool = False
    """Deliveries arrive as `{"payload": {…}}`."""
    delivery_copies: Annotated[int, Field(ge=1)] = 1
    """Each event is delivered so many times or fewer, once at least."""
    delivery_shuffle_seconds: Seconds = 0.0
    """Each copy of an event is held back for so long or less: later ones overtake it."""
    delivery_drop_share: Share = 0.0
    """Share of events that are never delivered, and not retried."""
    delivery_drop_logged: bool = True
    """What was dropped shows in the webhook's log, without an answer."""
    seed: int = 1

    _sequences: dict[str, Random] = PrivateAttr(default_factory=dict)
    _storm_until: float = PrivateAttr(default=0.0)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "storm_seconds":
            self._storm_until = time.monotonic() + self.storm_seconds
        elif name == "seed":
            self._sequences.clear()

    def update(self, **changes: Any) -> None:
        """Change some switches, or none: raises ValueError for a name or a value that does not exist."""
        type(self).model_validate(self.switches() | changes)
        for name, value in changes.items():
            setattr(self, name, value)

    def clear(self) -> None:
        """Everything works again."""
        self.update(**type(self)().switches())

    def switches(self) -> dict[str, Any]:
        """By name, as JSON types."""
        sets = {name: value for name, value in self.model_dump().items() if isinstance(value, set)}
        return self.model_dump() | {name: sorted(value) for name, value in sets.items()}

    def error_status(self, account_id: int | None) -> int | None:
        """The 5xx this request gets instead of an answer."""
        if self.down or account_id in self.dead_accounts:
            return 503
        return self._sequence("error_status").choice(GATEWAY_STATUSES) if self._hits("error_share") else None

    def storm_left(self, now: float) -> float:
        """Seconds until the storm that refuses this request is over, or 0; `now` is monotonic."""
        left = self._storm_until - now
        return left if left > 0 and self._hits("storm_share") else 0.0

    def revokes_now(self, account_id: int) -> bool:
        """Whether the countdown has ended before this request."""
        if self.revoke_after is None or self.revoke_account not in (None, account_id):
            return False
        is_over = self.revoke_after == 0
        self.revoke_after = None if is_over else self.revoke_after - 1
        return is_over

    def hangs(self, account_id: int | None) -> bool:
        return account_id in self.hanging_accounts or self._hits("hang_share")

    def is_cut(self) -> bool:
        return self._hits("cut_share")

    def is_garbled(self) -> bool:
        return self.body == "truncated" or self._hits("garbled_share")

    def oddity(self, *paths: str) -> Oddity | None:
        """What is wrong with the answer to this request; a path of its own goes before its template."""
        found = next((self.odd_answers[path] for path in paths if path in self.odd_answers), None)
        if found is None or self.odd_answers_left == 0:
            return None
        if self.odd_answers_left is not None:
            self.odd_answers_left -= 1
        return found

    def shorten(self, ids: list[int]) -> list[int]:
        """What a faulty answer leaves of the listings."""
        kept = {"full": len(ids), "half": len(ids) // 2, "empty": 0}[self.listings_answer]
        return ids[:kept]

    def drifts(self) -> bool:
        """Whether the data is still to change by itself."""
        return self.drift_every > 0 and self.drift_limit != 0

    def drifted(self) -> None:
        """One change less is left."""
        if self.drift_limit:
            self.drift_limit -= 1

    def drops(self) -> bool:
        """Whether this event is lost on its way to a webhook."""
        return self._hits("delivery_drop_share")

    def delays(self) -> list[float]:
        """Seconds for which each copy of an event is held back."""
        most = self.delivery_copies
        copies = self._sequence("delivery_copies").randint(1, most) if most > 1 else 1
        if not self.delivery_shuffle_seconds:
            return [0.0] * copies
        draw = self._sequence("delivery_shuffle_seconds").uniform
        return [draw(0, self.delivery_shuffle_seconds) for _ in range(copies)]

    def _hits(self, switch: str) -> bool:
        share: float = getattr(self, switch)
        return share > 0 and self._sequence(switch).random() < share

    def _sequence(self, name: str) -> Random:
        if name not in self._sequences:
            self._sequences[name] = Random(f"{self.seed} {name}")  # noqa: S311
        return self._sequences[name]
