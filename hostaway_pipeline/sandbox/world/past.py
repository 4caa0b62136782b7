"""Makes up the past of a generated reservation: the states that led to the present one, the same for the same seed.

Works back from the present: a stay that is modified had fewer nights or another price, a cancelled one was sold, and so
on. Entries of the audit trail: world/trails.py.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from hostaway_pipeline.sandbox.templates import Payload
from hostaway_pipeline.sandbox.world import bookings, finance
from hostaway_pipeline.sandbox.world.finance import Price
from hostaway_pipeline.sandbox.world.market import BY_NAME, DIRECT, ICAL, INQUIRIES, LONGEST_STAY, Home
from hostaway_pipeline.sandbox.world.nights import as_day
from hostaway_pipeline.sandbox.world.stamps import seconds_of, stamp

Field = tuple[str, str]
"""A source of the audit trail, and the name of a field."""
State = dict[Field, Any]

RESERVATION, FINANCE = "reservation", "financeStandardField"
UNTRACED = frozenset({"id", "insertedOn", "updatedOn", "latestActivityOn"})
OF_NEW = frozenset(
    {
        *("status", "listingMapId", "channelId", "arrivalDate", "departureDate", "nights", "numberOfGuests"),
        *("currency", "totalPrice", "taxAmount", "cleaningFee", "guestName", "guestEmail", "reservationDate"),
    }
)
"""Fields of a new reservation for which there is an entry; finance lines always have one."""
REQUESTED = ("declined", "expired")
SOLD_BEFORE = ("new", "new", "modified")
DATES = ("arrivalDate", "departureDate")


def traced(payload: Payload) -> State:
    """The fields of a reservation that leave entries: its plain keys, and the totals of its finance lines by name."""
    state: State = {
        (RESERVATION, key): value
        for key, value in payload.items()
        if not isinstance(value, list | dict) and key not in UNTRACED
    }
    lines = payload.get("financeField") or ()
    return state | {(FINANCE, line["name"]): line["total"] for line in lines if not line.get("isDeleted")}


def born(state: State) -> State:
    """The part of a new reservation's state that has entries. Dates that are not specified have none."""
    kept = {field: value for field, value in state.items() if field[0] == FINANCE or field[1] in OF_NEW}
    if state.get((RESERVATION, "isDatesUnspecified")):
        for key in (*DATES, "nights"):
            kept.pop((RESERVATION, key), None)
    return kept


def states(seed: str, payload: Payload, price: Price | None, home: Home) -> Iterator[tuple[str, State]]:
    """Yield every state with the time at which it began, oldest first. `price` is what `payload` was priced with."""
    walk = Walk(Random(f"{seed} trail {payload['id']}"), payload, price, home)  # noqa: S311
    walk.go_back()
    yield from reversed(walk.made)


class Walk:
    """Goes back from the present state; `made` holds each state with its beginning, newest first."""

    def __init__(self, rng: Random, payload: Payload, price: Price | None, home: Home) -> None:
        self._rng = rng
        self._payload = payload
        self._price = price
        self._home = home
        self._first = payload["insertedOn"]
        self._booked_at = seconds_of(payload["reservationDate"] or self._first)
        self._until = max(self._booked_at, seconds_of(payload["cancellationDate"] or payload["updatedOn"]))
        self.made = [(self._first, traced(payload))]

    def go_back(self) -> None:
        rng, status = self._rng, self._payload["status"]
        if status == "cancelled":
            self._undo_cancellation()
        elif status == "modified":
            self._undo(self._draw_time(), {"status": "new"} | self._fewer_nights())
        elif status in REQUESTED or (status in INQUIRIES and status != INQUIRIES[0]):
            self._undo(self._draw_time(), {"status": "pending" if status in REQUESTED else INQUIRIES[0]})
        if self._price and self._price.base and rng.random() < 0.25:
            self._undo(self._draw_time(), self._priced(rng.uniform(0.8, 1.25)))
        if rng.random() < 0.12:
            other = self._payload["numberOfGuests"] % 6 + 1
            self._undo(self._draw_time(), {"numberOfGuests": other, "guestName": "Earlier Guest", "phone": None})
        if self._booked_at > seconds_of(self._first):
            self._undo(self._booked_at, {"status": INQUIRIES[0]})

    def _undo(self, at: int, earlier: Payload) -> None:
        """Make a state before `at` in which fields had other values; `financeField` replaces all lines."""
        state = dict(self.made[-1][1])
        if lines := earlier.pop("financeField", None):
            state = {field: value for field, value in state.items() if field[0] != FINANCE}
            state |= traced({"financeField": lines})
        self.made[-1] = (stamp(at), self.made[-1][1])
        self.made.append((self._first, state | {(RESERVATION, key): value for key, value in earlier.items()}))

    def _draw_time(self) -> int:
        """Draw a time between the booking and the change that was drawn before."""
        self._until = self._booked_at + int(self._rng.random() * (self._until - self._booked_at))
        return self._until

    def _undo_cancellation(self) -> None:
        payload, rng = self._payload, self._rng
        channel = BY_NAME.get(payload["channelName"], DIRECT)
        arrival, nights = as_day(payload["arrivalDate"]), min(payload["nights"], LONGEST_STAY)
        earlier = {"status": rng.choice(SOLD_BEFORE), "cancellationDate": None, "cancelledBy": None}
        if channel is not ICAL and arrival and nights:
            luck, guests = rng.uniform(0.92, 1.08), payload["numberOfGuests"] or 1
            self._price = finance.price(
                self._home, channel, arrival, nights, units=self._units, guests=guests, lead=7, luck=luck
            )
            earlier |= self._priced(1.0)
        self._undo(self._until, earlier)
        if earlier["status"] == "modified":
            self._undo(self._draw_time(), {"status": "new"} | self._fewer_nights())

    def _fewer_nights(self) -> Payload:
        """Dates within the present ones, since other nights may belong to another stay."""
        nights, arrival = self._payload["nights"], as_day(self._payload["arrivalDate"])
        if nights < 2 or arrival is None or self._payload["isDatesUnspecified"]:
            return self._priced(self._rng.uniform(0.8, 1.25)) if self._price else {}
        fewer = self._rng.randint(1, nights - 1)
        arrival += self._rng.choice((0, nights - fewer))
        return bookings.dates(arrival, fewer) | (self._priced(fewer / nights) if self._price else {})

    def _priced(self, factor: float) -> Payload:
        """The amounts with another base rate, which becomes this walk's price."""
        assert self._price is not None  # noqa: S101 (callers check it)
        self._price = price = self._price._replace(base=round(self._price.base * factor))
        payload = self._payload
        with_commission = payload["channelCommissionAmount"] is not None
        lines = finance.lines(price, payload["id"], payload["insertedOn"], self._units)
        return finance.totals(price, with_commission=with_commission) | {"financeField": lines}

    @property
    def _units(self) -> int:
        return max(1, len(self._payload["reservationUnit"]))
