"""Decides, without looking at anything, whether a mode needs one more sweeper run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostaway_pipeline.domain.vocabulary import Cadence
from hostaway_pipeline.store.cadences import Backlog

# A run is worth its start, three seconds of a core, for more than so many accounts. Fewer wait together for a tenth of
# their period, and for ten minutes at most.
_ENOUGH = 25
_PATIENCE_SHARE, _MOST_PATIENCE = 0.1, timedelta(minutes=10)
# A request that waits for longer, because the runs at work are busy with large accounts, gets a run more.
_LONG_WAIT = timedelta(minutes=1)
# The modes that may have every place. The others leave one free, so that these never wait for a run to end.
_URGENT = ("requested", "reconcile")


@dataclass(frozen=True, slots=True)
class Sweeper:
    """A run that is not finished, and the place that it has."""

    place: int
    mode: str


@dataclass(frozen=True, slots=True)
class SweeperPlan:
    """`text`: what waits, for the tick's page in Dagster."""

    is_needed: bool
    free_places: tuple[int, ...]
    text: str


def sweeper_plan(
    mode: str,
    backlog: Mapping[Cadence, Backlog],
    sweepers: Sequence[Sweeper],
    *,
    places: int,
    period: timedelta,
    minute: int,
    paused_until: datetime | None = None,
) -> SweeperPlan:
    """`mode`: a regular mode, or `requested`. `places`: how many unfinished runs there may be, of all modes.

    The more accounts wait, the more runs: one for each 25 of them, as long as places are free. `minute`: of the tick,
    since the epoch; of the last place that is not kept for urgent modes, refreshes may take it in even minutes, the
    others in odd ones, so that neither keeps the other out. `paused_until`: when Hostaway answers this address again.
    """
    free = tuple(sorted(set(range(1, places + 1)) - {sweeper.place for sweeper in sweepers}))
    waiting, latest = _waiting(mode, backlog)
    text = _text(mode, waiting, latest)
    patience = timedelta(0) if mode == "requested" else min(period * _PATIENCE_SHARE, _MOST_PATIENCE)
    mine = sum(sweeper.mode == mode for sweeper in sweepers)
    reason = ""
    if waiting and paused_until is not None:
        reason = f"Hostaway has paused this address until {paused_until:%H:%M:%S} UTC"
    elif waiting <= _ENOUGH and (latest or timedelta(0)) < patience:
        reason = f"a run starts for more, or when one is late by {patience}"
    elif mine and waiting <= mine * _ENOUGH and not (mode == "requested" and (latest or patience) > _LONG_WAIT):
        reason = f"{mine} at work on them"
    elif waiting:
        reason = _lack_of_place(mode, sweepers, free, places, minute)
    return SweeperPlan(bool(waiting) and not reason, free, f"{text}; {reason}" if waiting and reason else text)


def _lack_of_place(mode: str, sweepers: Sequence[Sweeper], free: Sequence[int], places: int, minute: int) -> str:
    """Why this mode may not have a place; empty if it may."""
    room = places - len(sweepers)
    if mode not in _URGENT:
        is_kept = places > 1 and not any(sweeper.mode in _URGENT for sweeper in sweepers)
        room -= is_kept
        if room == 1 and mode != "trails" and (minute % 2 == 0) != (mode == "refresh"):
            return "the place is another mode's in this minute"
    if room <= 0 or not free:
        return f"no place is free: {len(sweepers)} of {places} sweepers at work"
    return ""


def _waiting(mode: str, backlog: Mapping[Cadence, Backlog]) -> tuple[int, timedelta | None]:
    """How many accounts wait for a run of this mode, and how late the latest is."""
    if mode == "requested":
        ages = [one.request_age for one in backlog.values() if one.request_age is not None]
        return sum(one.requested for one in backlog.values()), max(ages, default=None)
    found = next((one for name, one in backlog.items() if name == mode), None)
    return (found.due, found.latest) if found is not None else (0, None)


def _text(mode: str, waiting: int, latest: timedelta | None) -> str:
    if mode == "requested":
        return f"{waiting} requested"
    if not waiting:
        return "no account is due"
    late = latest or timedelta(0)
    return f"{waiting} due, the latest by {str(late).split('.')[0]}"
