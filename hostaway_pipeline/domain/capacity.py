"""How often so many accounts can be synced under the rate limits: an estimate from the calls that a sync costs.

`hostaway doctor capacity` prints it; docs/scaling.md has it for 10 to 10,000 accounts.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hostaway_pipeline.domain.durations import rounded
from hostaway_pipeline.domain.limits import RateLimit

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SyncCost:
    """One sync that finds nothing changed: its calls, and its CPU-seconds in Python and Postgres together."""

    calls: int
    cpu: float


@dataclass(frozen=True, slots=True)
class AccountCost:
    """What an account costs. `first`: the calls of its first sync; `conversations`: how many it has."""

    first: int
    conversations: int
    reconcile: SyncCost
    refresh: SyncCost
    listings: SyncCost


# By listings and reservations. Measured by bench/calls.py: "What a sync costs" in bench/RESULTS.md.
ACCOUNTS: Mapping[str, AccountCost] = {
    "7:787": AccountCost(794, 787, SyncCost(11, 0.6), SyncCost(6, 0.2), SyncCost(1, 0.05)),
    "2:10": AccountCost(13, 10, SyncCost(3, 0.1), SyncCost(2, 0.1), SyncCost(1, 0.05)),
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """Accounts of one size, the outgoing IP addresses that they share, and the settings that decide how often.

    `limit`: of one address. `window`: the time in which all accounts are to be reconciled.
    """

    accounts: int
    egresses: int
    limit: RateLimit
    refresh_every: timedelta = timedelta(minutes=15)
    listings_every: timedelta = timedelta(hours=8)
    window: timedelta = timedelta(hours=6)
    refresh_share: float = 0.8
    reread_share: float = 1 / 30


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the deployment achieves while nothing changes.

    What does change costs about two calls more per conversation with news; the part of the limit that refreshes leave
    free is for that, for webhooks and for people. An account's own limit never binds: a refresh costs a few calls, and
    accounts are synced side by side.
    """

    deployment: Deployment
    cost: AccountCost

    @property
    def nightly(self) -> timedelta:
        """How long the reconciles of all accounts take when they have the whole limit."""
        return timedelta(seconds=self.deployment.accounts * self._reconcile_calls / self._per_second)

    @property
    def first_syncs(self) -> timedelta:
        """How long it takes until every account has been read for the first time."""
        return timedelta(seconds=self.deployment.accounts * self.cost.first / self._per_second)

    @property
    def demand(self) -> float:
        """What the settings ask for, as a share of what the limit allows."""
        return (
            self._daily_rate + self._refresh_calls / self.deployment.refresh_every.total_seconds()
        ) / self._per_second

    @property
    def refresh_every(self) -> timedelta | None:
        """The time between two refreshes of an account: that of the settings, or longer; None: none can be made."""
        left = self.deployment.refresh_share * self._per_second - self._daily_rate
        if left <= 0:
            return None
        return max(self.deployment.refresh_every, timedelta(seconds=self._refresh_calls / left))

    @property
    def egresses_for_window(self) -> int:
        """How many outgoing IP addresses fit the reconciles into their window."""
        return math.ceil(self.nightly * self.deployment.egresses / self.deployment.window)

    @property
    def egresses_for_all(self) -> int:
        """How many outgoing IP addresses meet all the settings."""
        wanted = math.ceil(self.demand * self.deployment.egresses / self.deployment.refresh_share)
        return max(wanted, self.egresses_for_window)

    @property
    def cores(self) -> float:
        """Busy cores, on average over a day, at the interval that is possible; Dagster and webhooks not counted."""
        given, every = self.deployment, self.refresh_every
        used = self.cost.reconcile.cpu / _DAY.total_seconds()
        used += self.cost.listings.cpu / given.listings_every.total_seconds()
        return given.accounts * (used + (self.cost.refresh.cpu / every.total_seconds() if every else 0.0))

    @property
    def binding(self) -> str | None:
        """Why the settings cannot be met, in a sentence; None if they can."""
        given = self.deployment
        if self.nightly > given.window:
            return (
                f"reconciles take {rounded(self.nightly)} at the limit per IP, and HOSTAWAY_RECONCILE_WINDOW has "
                f"{rounded(given.window)}"
            )
        if self.refresh_every is None:
            return "reconciles leave no calls of the limit per IP for refreshes"
        if self.refresh_every > given.refresh_every:
            return (
                f"the limit per IP allows a refresh every {rounded(self.refresh_every)}, and HOSTAWAY_REFRESH_EVERY is "
                f"{rounded(given.refresh_every)}"
            )
        return None

    def ways_out(self) -> Iterator[str]:
        """What would meet the settings, and settings that ask for less."""
        given = self.deployment
        if self.binding is None:
            return
        if self.nightly > given.window:
            yield f"{self.egresses_for_window} outgoing IP addresses for the reconciles"
        yield f"{self.egresses_for_all} outgoing IP addresses for everything, each with its own name in HOSTAWAY_EGRESS"
        if given.window < self.nightly <= _DAY:
            yield f"HOSTAWAY_RECONCILE_WINDOW of {math.ceil(self.nightly / timedelta(hours=1))}h"
        if self.refresh_every is not None and self.refresh_every > given.refresh_every:
            yield f"HOSTAWAY_REFRESH_EVERY of {rounded(self.refresh_every)}; webhooks still bring changes in seconds"
        without = replace(self, deployment=replace(given, reread_share=0.0))
        if without.nightly < self.nightly:
            every = (
                "no refreshes" if without.refresh_every is None else f"a refresh every {rounded(without.refresh_every)}"
            )
            yield (
                f"HOSTAWAY_REREAD_SHARE=0, by which edited messages are missed: reconciles take "
                f"{rounded(without.nightly)}, with {every}"
            )

    def as_dict(self) -> dict[str, Any]:
        """For JSON; times in seconds."""
        every = self.refresh_every
        return {
            "accounts": self.deployment.accounts,
            "egresses": self.deployment.egresses,
            "limit": str(self.deployment.limit),
            "nightly_seconds": round(self.nightly.total_seconds()),
            "refresh_seconds": None if every is None else round(every.total_seconds()),
            "first_syncs_seconds": round(self.first_syncs.total_seconds()),
            "egresses_for_window": self.egresses_for_window,
            "egresses_for_all": self.egresses_for_all,
            "demand": round(self.demand, 3),
            "cores": round(self.cores, 3),
            "binding": self.binding,
            "ways_out": list(self.ways_out()),
        }

    @property
    def _per_second(self) -> float:
        return self.deployment.limit.per_second * self.deployment.egresses

    @property
    def _reconcile_calls(self) -> int:
        return self.cost.reconcile.calls + math.ceil(self.deployment.reread_share * self.cost.conversations)

    @property
    def _refresh_calls(self) -> int:
        """Of one refresh of every account."""
        return self.deployment.accounts * self.cost.refresh.calls

    @property
    def _daily_rate(self) -> float:
        """Calls per second of everything but refreshes, on average over a day."""
        listings = self.cost.listings.calls / self.deployment.listings_every.total_seconds()
        return self.deployment.accounts * (self._reconcile_calls / _DAY.total_seconds() + listings)
