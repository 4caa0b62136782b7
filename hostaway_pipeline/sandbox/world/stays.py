"""Places stays on the nights of an account's homes, backwards from a horizon: no night of a unit is taken twice.

Any number of stays fits, because more of them reach further into the past. Prices: world/finance.py.
"""

from dataclasses import dataclass, field
from datetime import date
from heapq import heapify, heappop, heapreplace
from random import Random
from typing import NamedTuple

from hostaway_pipeline.sandbox.templates import STATUSES
from hostaway_pipeline.sandbox.world import market
from hostaway_pipeline.sandbox.world.market import Channel, Home

DAY = 24 * 3600
EPOCH = date(1970, 1, 1).toordinal()
FIRST_DAY = date(1900, 1, 1).toordinal()
"""The first day that can be booked; stays for which no night is left are cancelled ones."""
LONGEST_LEAD = 300
ENOUGH_FOR_EACH_STATUS = 100


class Stay(NamedTuple):
    """A reservation's place in time. `arrival` is a day, `booked_at` Unix seconds; `units` are numbers from 0 on."""

    home: Home
    arrival: int
    nights: int
    status: str
    booked_at: int
    channel: Channel
    units: tuple[int, ...]


class Block(NamedTuple):
    """Nights `first` to `last`, without the last, on which a unit cannot be booked."""

    first: int
    last: int
    unit: int


@dataclass(slots=True)
class Plan:
    """The stays in no particular order, and the blocked nights by listing."""

    stays: list[Stay] = field(default_factory=list)
    blocks: dict[int, list[Block]] = field(default_factory=dict)


def plan(rng: Random, homes: list[Home], count: int, today: int) -> Plan:
    """Plan exactly `count` stays that were booked before `today`, whether they lie in the past or in the future."""
    made = Plan()
    capacity = sum(home.units for home in homes)
    # A small account reaches neither far back nor far ahead.
    horizon = today + min(LONGEST_LEAD, 3 + count * 5 // (2 * max(1, capacity)))
    walks = [Walk(rng, home, horizon, today) for home in homes]
    queue = [(-walk.latest, place, walk) for place, walk in enumerate(walks) if walk.goes_on]
    heapify(queue)
    # Taken from the end: waiting requests first, while the walks are still in the future.
    each = sorted(STATUSES, key=lambda status: status in market.WAITING)
    wanted = each if count >= ENOUGH_FOR_EACH_STATUS else []
    while len(made.stays) < count and queue:
        _, place, walk = queue[0]
        taken = walk.step(wanted[-1] if wanted and len(made.stays) % 3 == 2 else None)
        if isinstance(taken, Block):
            made.blocks.setdefault(walk.home.id, []).append(taken)
        elif taken:
            made.stays.append(taken)
            if wanted and taken.status == wanted[-1]:
                wanted.pop()
        if walk.goes_on:
            heapreplace(queue, (-walk.latest, place, walk))
        else:
            heappop(queue)
    while len(made.stays) < count:
        made.stays.append(_cancelled(rng, homes[len(made.stays) % len(homes)], today))
    rng.shuffle(made.stays)
    return made


class Walk:
    """Goes back through the nights of one home; each unit has its own day from which on it is taken."""

    def __init__(self, rng: Random, home: Home, horizon: int, today: int) -> None:
        self.home = home
        self.latest = horizon if home.closed_on is None else home.closed_on
        self._taken_from = [self.latest] * home.units
        self._first = home.opened_on or FIRST_DAY
        self._rng = rng
        self._today = today

    @property
    def goes_on(self) -> bool:
        return self.latest - market.LONGEST_STAY > self._first

    def step(self, wanted: str | None) -> Stay | Block | None:
        """Take the next nights for a stay or a block; None if that stay will be booked only after today.

        The stay has the wanted status, unless only a coming stay can have it.
        """
        rng, home = self._rng, self.home
        if rng.random() < 0.025:
            return self._block()
        units = self._latest_units(2 if home.units > 1 and rng.random() < 0.15 else 1)
        until = self._taken_from[units[-1]]
        gap, nights = self._gap_and_nights(until)
        arrival = until - gap - nights
        is_coming = arrival >= self._today
        if wanted is None or (wanted in market.WAITING and not is_coming):
            wanted = market.status(rng, is_coming=is_coming)
        if wanted in market.TAKING:
            self._take(units, max(arrival, self._first))
        elif wanted not in market.WAITING:
            arrival -= int(rng.random() * 12)
        if arrival < self._first:
            return None
        booked_at = booking_time(rng, arrival, home.opened_on)
        if booked_at >= (self._today - EPOCH) * DAY:
            return None
        return Stay(home, arrival, nights, wanted, booked_at, market.channel_of(rng, wanted), units)

    def _gap_and_nights(self, until: int) -> tuple[int, int]:
        """Draw the free nights behind a stay and its length; short stays mostly include a weekend night."""
        rng = self._rng
        gap, nights = market.gap(rng, until), market.stay_length(rng)
        if nights < 6 and rng.random() < 0.6 and not _has_weekend(until - gap - nights, nights):
            gap, nights = market.gap(rng, until), market.stay_length(rng)
        return gap, nights

    def _block(self) -> Block:
        until = self.latest - int(self._rng.random() * 3)
        units = self._latest_units(1)
        block = Block(until - 1 - int(self._rng.random() * 5), until, units[0])
        self._take(units, block.first)
        return block

    def _latest_units(self, count: int) -> tuple[int, ...]:
        """The units that are free until the latest day, in that order."""
        if self.home.units == 1:
            return (0,)
        best = sorted(range(self.home.units), key=self._taken_from.__getitem__, reverse=True)
        return tuple(best[:count])

    def _take(self, units: tuple[int, ...], day: int) -> None:
        for unit in units:
            self._taken_from[unit] = day
        self.latest = max(self._taken_from)


def booking_time(rng: Random, arrival: int, opened_on: int | None = None) -> int:
    """Draw Unix seconds in the daytime, in the morning if on the day of arrival, and not before the listing opened."""
    lead = min(market.lead_days(rng), LONGEST_LEAD)
    if opened_on is not None and arrival - lead <= opened_on:
        lead = int(rng.random() * max(0, arrival - opened_on))
    hours = 10 if lead == 0 else 16
    return (arrival - EPOCH - lead) * DAY + int((6 + rng.random() * hours) * 3600)


def _has_weekend(arrival: int, nights: int) -> bool:
    return any(market.weekend(arrival + night) for night in range(nights))


def _cancelled(rng: Random, home: Home, today: int) -> Stay:
    """Make a stay for which no night was left."""
    arrival = max(today - 30 - int(rng.random() * 3000), home.opened_on or 0)
    channel, booked_at = market.channel_of(rng, "cancelled"), booking_time(rng, arrival, home.opened_on)
    return Stay(home, arrival, market.stay_length(rng), "cancelled", booked_at, channel, (0,))
