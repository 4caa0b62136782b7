"""Compares what we saw of a reservation with its audit trail, which Hostaway keeps on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hostaway_pipeline.domain.trail_entries import Trail
from hostaway_pipeline.domain.trails import State, replay

# What pace and money depend on.
COMPARED = ("status", "arrival_date", "departure_date", "total_price")
_DATES = ("arrival_date", "departure_date")
# Our clock against Hostaway's, and the time from a change until it is seen.
_LEEWAY = timedelta(minutes=10)
_ALWAYS, _NEVER = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A state and when it was in force. None: since ever, or until now."""

    values: Mapping[str, Any]
    begins: datetime | None
    ends: datetime | None


def count_differing(
    trail: Trail, present: Mapping[str, Any], seen: Sequence[Span], updated_at: datetime | None
) -> int | None:
    """How many of the states that we saw never were, by the trail; None if the trail is missing or contradictory.

    A state between two looks is in the trail only, which is no difference. `updated_at`: Hostaway's time of `present`.
    """
    replayed = replay(trail, State(present), known_at=updated_at, until=updated_at)
    if replayed.outcome not in ("whole", "cut"):
        return None
    told = [Span(version.state.values, version.valid_from, version.valid_to) for version in replayed.versions]
    told.append(Span(present, told[-1].ends if told else None, None))
    if replayed.outcome == "cut":
        since = told[0].ends
        seen = [span for span in seen if since is not None and (span.ends or _ALWAYS) > since + _LEEWAY]
    return sum(not any(_is_same(one, other) and _overlap(one, other) for other in told) for one in seen)


def _is_same(one: Span, other: Span) -> bool:
    is_placeholder = one.values["is_dates_unspecified"] or other.values["is_dates_unspecified"]
    names = [name for name in COMPARED if not (is_placeholder and name in _DATES)]
    # To trails, zero and not set are the same.
    return all((one.values[name] or None) == (other.values[name] or None) for name in names)


def _overlap(seen: Span, told: Span) -> bool:
    begins, ends = seen.begins or _NEVER, seen.ends or _ALWAYS
    is_before = told.ends is not None and told.ends + _LEEWAY < begins
    is_after = told.begins is not None and told.begins - _LEEWAY > ends
    return not is_before and not is_after
