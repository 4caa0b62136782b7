"""Faults that can be switched on while the sandbox runs. A new one is a field here and a line where it takes effect."""

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
"""An empty list, one that is empty after its first page, `result: null`, a gateway's HTML page with 200 or 404,
Hostaway's own 404 or 500; a count that is text, missing or off by one."""

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Number = Annotated[int, Field(ge=0)]


class Faults(BaseModel):
    """The faults, all off by default. Assign to switch one; an invalid value raises ValueError.

    Every share draws from its own random sequence, made from `seed`, so faults do not affect each other.
    """

    model_config = ConfigDict(validate_assignment=True, extra="forbid")

    down: bool = False
    """Answer every request with 503."""
    dead_accounts: set[int] = Field(default_factory=set)
    """Answer every request of these accounts with 503, token requests included."""
    error_share: Share = 0.0
    """Share of requests answered with a 5xx."""
    storm_seconds: Seconds = 0.0
    """For this long after it is set, refuse requests with 429 whatever the limits say."""
    storm_share: Share = 1.0
    """Share of requests that a storm refuses."""
    revoke_after: Number | None = None
    """After this many more answered requests, revoke all tokens of the account that sends the next one; once."""
    revoke_account: int | None = None
    """Apply `revoke_after` to this account only."""
    body: Literal["json", "html", "truncated"] = "json"
    """The body of a 200."""
    listings_answer: Literal["full", "empty", "half"] = "full"
    """How much of the listing list is answered; `count` matches what is answered."""
    odd_answers: dict[str, Oddity] = Field(default_factory=dict)
    """Wrong answers to GETs, by path or by path template such as `/v1/listings/{id}`."""
    odd_answers_left: Number | None = None
    """How many odd answers are left; None means no end."""
    odd_days: dict[str, Any] = Field(default_factory=dict)
    """Wrong days in every calendar, by date: null leaves the day out, an object overrides keys of it, and anything else
    stands in its place."""
    trails_missing: Share = 0.0
    """Share of reservations whose audit trail is empty."""
    trails_since: str = ""
    """Leave out entries of audit trails from before this day or time."""
    trails_contradict: Share = 0.0
    """Share of reservations in whose audit trail the newest change of the status leads to another status than the next
    entry, or the reservation, starts from."""
    garbled_share: Share = 0.0
    """Share of answers whose body is cut in half, with a matching Content-Length."""
    cut_share: Share = 0.0
    """Share of answers whose connection is closed in the middle of the body."""
    hang_share: Share = 0.0
    """Share of accepted requests that are handled, and may take effect, but are never answered."""
    dribble: Literal["none", "headers", "body"] = "none"
    """Answer accepted requests one byte at a time, twenty a second, from the headers or from the body on."""
    hanging_accounts: set[int] = Field(default_factory=set)
    """Never answer requests of these accounts; when an account is taken out, its connections are cut."""
    hold_after: Number | None = None
    """Hold back every answer after this many more, until this is set again."""
    page_cap: Annotated[int, Field(ge=1)] | None = None
    """Lower the page cap of every list silently."""
    ignore_orders: bool = False
    """Ignore `sortOrder`: list reservations by newest change whatever a request asks for."""
    clock_skew: float | None = None
    """Seconds by which timestamps of changed objects are ahead of the present (or behind); so they may go backwards."""
    lists_lack: set[str] = Field(default_factory=set)
    """Keys that objects in lists lack, though single objects and webhooks have them."""
    drift_every: Number = 0
    """Change an account each time it has answered this many lists; 0 is off."""
    drift_limit: Number | None = None
    """How many such changes are left; None means no end."""
    send_unclear: Literal["none", "cut", "hang", "500", "lost"] = "none"
    """Store a message, but cut its answer off (`cut`), never answer (`hang`) or answer 500 (`500`); `lost` answers 500
    and stores nothing."""
    send_delay: Seconds = 0.0
    """Store and answer a message this long after the request, whether or not the sender waits."""
    send_escapes: bool = False
    """Store messages with `&`, `<` and `>` as HTML entities."""
    nested_envelope: bool = False
    """Send deliveries as `{"payload": {…}}`."""
    delivery_copies: Annotated[int, Field(ge=1)] = 1
    """Deliver each event between one and this many times."""
    delivery_shuffle_seconds: Seconds = 0.0
    """Delay each copy of an event by up to this long, so that later ones overtake it."""
    delivery_drop_share: Share = 0.0
    """Share of events that are never delivered nor retried."""
    delivery_drop_logged: bool = True
    """Show dropped events in the webhook's log, without an answer."""
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
        """Change all of these switches, or none: raises ValueError for an unknown name or an invalid value."""
        type(self).model_validate(self.switches() | changes)
        for name, value in changes.items():
            setattr(self, name, value)

    def clear(self) -> None:
        """Switch every fault off."""
        self.update(**type(self)().switches())

    def switches(self) -> dict[str, Any]:
        """The switches by name, as JSON types."""
        sets = {name: value for name, value in self.model_dump().items() if isinstance(value, set)}
        return self.model_dump() | {name: sorted(value) for name, value in sets.items()}

    def error_status(self, account_id: int | None) -> int | None:
        """The 5xx that this request gets instead of an answer, or None."""
        if self.down or account_id in self.dead_accounts:
            return 503
        return self._sequence("error_status").choice(GATEWAY_STATUSES) if self._hits("error_share") else None

    def storm_left(self, now: float) -> float:
        """Seconds until the storm that refuses this request ends, or 0; `now` is monotonic."""
        left = self._storm_until - now
        return left if left > 0 and self._hits("storm_share") else 0.0

    def revokes_now(self, account_id: int) -> bool:
        """Count this request, and return whether the countdown ended before it."""
        if self.revoke_after is None or self.revoke_account not in (None, account_id):
            return False
        is_over = self.revoke_after == 0
        self.revoke_after = None if is_over else self.revoke_after - 1
        return is_over

    def hangs(self, account_id: int | None) -> bool:
        return account_id in self.hanging_accounts or self._hits("hang_share")

    def holds(self) -> bool:
        """Count this answer, and return whether it is held back."""
        if self.hold_after:
            self.hold_after -= 1
            return False
        return self.hold_after == 0

    def is_cut(self) -> bool:
        return self._hits("cut_share")

    def is_garbled(self) -> bool:
        return self.body == "truncated" or self._hits("garbled_share")

    def oddity(self, *paths: str) -> Oddity | None:
        """The fault in the answer to this request, by the first of `paths` that has one."""
        oddity = next((self.odd_answers[path] for path in paths if path in self.odd_answers), None)
        if oddity is None or self.odd_answers_left == 0:
            return None
        if self.odd_answers_left is not None:
            self.odd_answers_left -= 1
        return oddity

    def shorten(self, ids: list[int]) -> list[int]:
        """The listings that a shortened answer keeps."""
        kept = {"full": len(ids), "half": len(ids) // 2, "empty": 0}[self.listings_answer]
        return ids[:kept]

    def distort(self, days: list[dict[str, Any]]) -> list[Any]:
        """The days of a calendar, with the odd ones among them."""
        odd = self.odd_days
        if not odd:
            return days
        wrong = [odd.get(day["date"], day) for day in days]
        pairs = zip(days, wrong, strict=True)
        return [day | new if isinstance(new, dict) else new for day, new in pairs if new is not None]

    def is_drifting(self) -> bool:
        """Whether accounts still change by themselves."""
        return self.drift_every > 0 and self.drift_limit != 0

    def count_drift(self) -> None:
        """Take one from the changes that are left."""
        if self.drift_limit:
            self.drift_limit -= 1

    def drops(self) -> bool:
        """Whether to drop this event; draws anew at every call."""
        return self._hits("delivery_drop_share")

    def delays(self) -> list[float]:
        """The delay of each copy of an event, in seconds."""
        most = self.delivery_copies
        copies = self._sequence("delivery_copies").randint(1, most) if most > 1 else 1
        if not self.delivery_shuffle_seconds:
            return [0.0] * copies
        draw = self._sequence("delivery_shuffle_seconds").uniform
        return [draw(0, self.delivery_shuffle_seconds) for _ in range(copies)]

    def picks(self, switch: str, object_id: int) -> bool:
        """Whether a share of objects includes this one: always the same ones for the same seed."""
        share: float = getattr(self, switch)
        return share > 0 and Random(f"{self.seed} {switch} {object_id}").random() < share  # noqa: S311

    def _hits(self, switch: str) -> bool:
        share: float = getattr(self, switch)
        return share > 0 and self._sequence(switch).random() < share

    def _sequence(self, name: str) -> Random:
        if name not in self._sequences:
            self._sequences[name] = Random(f"{self.seed} {name}")  # noqa: S311
        return self._sequences[name]
