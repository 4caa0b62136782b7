"""Models demand and prices: seasons, weekdays, lead times, stay lengths, channels and their commissions.

Days are ordinals (`date.toordinal`). The nights that a stay takes: world/stays.py.
"""

from dataclasses import dataclass
from math import cos, log, log1p, pi
from random import Random
from typing import NamedTuple

CYCLE = 10_227
"""Days after which weekdays and seasons repeat together: 28 years."""
LONGEST_STAY = 28
MINOR_UNITS = {"JPY": 0, "KWD": 3}
"""Decimal places of the currencies that do not have two (ISO 4217)."""

SOLD = frozenset({"new", "modified"})
TAKING = SOLD | {"ownerStay", "awaitingPayment", "awaitingGuestVerification"}
"""Statuses that occupy their nights: sold stays, owner stays and holds."""
TENTATIVE = frozenset({"pending", "unconfirmed"})
WAITING = TENTATIVE | {"awaitingPayment", "awaitingGuestVerification"}
"""Statuses of requests that are decided within a day or two, so that a past stay never has them."""
INQUIRIES = ("inquiry", "inquiryPreapproved", "inquiryDenied", "inquiryTimedout", "inquiryNotPossible")


class Channel(NamedTuple):
    """`weight`: percent of the bookings. `fee`: commission in percent of rent and fees. `markup`: on the base rate."""

    id: int
    name: str
    weight: int
    fee: float
    markup: float


CHANNELS = (
    Channel(2018, "airbnbOfficial", 45, 15.5, 1.0),
    Channel(2005, "bookingcom", 25, 15.0, 1.08),
    Channel(2002, "homeaway", 9, 8.0, 1.03),
    Channel(2000, "direct", 10, 0.0, 0.95),
    Channel(2015, "customIcal", 5, 0.0, 1.0),
    Channel(2013, "bookingengine", 3, 0.0, 0.95),
    Channel(2007, "expedia", 2, 18.0, 1.08),
    Channel(2020, "partner", 1, 10.0, 1.0),
)
AIRBNB, BOOKING, VRBO, DIRECT, ICAL, ENGINE, EXPEDIA, PARTNER = CHANNELS
BY_NAME = {channel.name: channel for channel in CHANNELS}


@dataclass(slots=True, eq=False)
class Home:
    """A listing's traits on the market. `price` is the average night; amounts are in major currency units.

    `opened_on` and `closed_on` are days; None means since ever and until now.
    """

    id: int
    currency: str
    price: float
    cleaning: float
    vat: int
    units: int = 1
    guests_included: int = 2
    opened_on: int | None = None
    closed_on: int | None = None

    @property
    def scale(self) -> int:
        """Minor units in one major unit of the currency."""
        return int(10 ** MINOR_UNITS.get(self.currency, 2))

    def night_price(self, day: int) -> float | int:
        """The price in the calendar of the night that begins on `day`."""
        return major(round(self.price * price_sum(day, 1) * self.scale), self.scale)


def major(amount: int, scale: int) -> float | int:
    """Convert minor into major currency units; an integer if the currency has no minor units."""
    return amount / scale if scale > 1 else amount


def season(day: int) -> float:
    """Demand from -1 in late January to 1 in late July, with a second peak at New Year."""
    of_year = day % 365.2425
    return max(cos(2 * pi * (of_year - 206) / 365.2425), 1 - abs((of_year + 182) % 365.2425 - 182) / 6)


def weekend(day: int) -> bool:
    """Whether `day` is a Friday or a Saturday."""
    return day % 7 in (5, 6)


def _sums() -> list[float]:
    """Prefix sums of the price factors of a cycle's nights."""
    sums, total = [0.0], 0.0
    for day in range(CYCLE + LONGEST_STAY):
        total += (1 + 0.3 * season(day)) * (1.2 if weekend(day) else 0.93)
        sums.append(total)
    return sums


_PRICE_SUMS = _sums()
_STAY = 4.6
"""Mean nights of a stay, as drawn."""
_GAP_RATES = [
    1 / log1p(1 / (_STAY * (1 - share) / share)) for share in (0.665 + 0.18 * season(day) for day in range(CYCLE))
]
"""Per day of the cycle: the scale of an exponential whose integer part leaves the season's share of nights free."""
_LENGTHS = [
    nights
    for nights, weight in {
        1: 8, 2: 22, 3: 23, 4: 16, 5: 11, 6: 6, 7: 8, 8: 2, 9: 1, 10: 2, 12: 1, 14: 2, 21: 1, 28: 1,
    }.items()
    for _ in range(weight)
]  # fmt: skip
_CHANNEL_DRAW = [channel for channel in CHANNELS for _ in range(channel.weight)]
_ASKED_DRAW = (AIRBNB, AIRBNB, AIRBNB, VRBO, ENGINE, DIRECT)

_PAST = [
    status
    for status, weight in {
        "new": 585, "modified": 90, "cancelled": 120, "ownerStay": 25, "declined": 12, "expired": 14,
        "inquiry": 40, "inquiryPreapproved": 18, "inquiryDenied": 12, "inquiryTimedout": 30,
        "inquiryNotPossible": 12, "unknown": 4,
    }.items()
    for _ in range(weight)
]  # fmt: skip
_COMING = [
    *_PAST,
    *["awaitingPayment"] * 25,
    *["awaitingGuestVerification"] * 12,
    *["pending"] * 14,
    *["unconfirmed"] * 8,
]


def price_sum(day: int, nights: int) -> float:
    """Sum of the price factors of a stay: its cost at an average price of 1. At most LONGEST_STAY nights."""
    first = day % CYCLE
    return _PRICE_SUMS[first + nights] - _PRICE_SUMS[first]


def gap(rng: Random, day: int) -> int:
    """Draw the nights that stay free between a stay and the next one on `day`: fewer in high season."""
    return int(-log(1 - rng.random()) * _GAP_RATES[day % CYCLE])


def stay_length(rng: Random) -> int:
    """Draw the nights of a stay: mostly 2 to 7, at most 28."""
    return _LENGTHS[int(rng.random() * len(_LENGTHS))]


def lead_days(rng: Random) -> int:
    """Draw the days between booking and arrival: a mixture of a short and a long exponential."""
    mean = 20 if rng.random() < 0.6 else 90
    return int(-log(1 - rng.random()) * mean)


def status(rng: Random, *, is_coming: bool) -> str:
    """Draw a status; only coming stays can wait for a decision."""
    draw = _COMING if is_coming else _PAST
    return draw[int(rng.random() * len(draw))]


def channel_of(rng: Random, status: str) -> Channel:
    """Draw a channel; owners book directly, and iCal has sold stays only."""
    if status == "ownerStay":
        return DIRECT
    if status in INQUIRIES:
        return _ASKED_DRAW[int(rng.random() * len(_ASKED_DRAW))]
    channel = _CHANNEL_DRAW[int(rng.random() * len(_CHANNEL_DRAW))]
    return AIRBNB if channel is ICAL and status not in SOLD else channel
