"""How long to wait before a retry, and when to give up."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# A number of seconds to wait is always smaller, a Unix timestamp never is.
_MIN_TIMESTAMP = 1_000_000_000
_MAX_WAIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with jitter: delays double from `base_seconds` up to `max_seconds`.

    A 429 has a limit of its own, `max_attempts_on_429`: the server names the wait, so more attempts make sense.
    """

    max_attempts: int = 5
    max_attempts_on_429: int = 20
    base_seconds: float = 0.5
    max_seconds: float = 20.0

    def delays(self) -> Iterator[float]:
        """Yield the seconds to wait before each retry: between half of the current ceiling and all of it."""
        for attempt in range(self.max_attempts - 1):
            ceiling = min(self.max_seconds, self.base_seconds * 2**attempt)
            yield random.uniform(ceiling / 2, ceiling)  # noqa: S311 (jitter is no secret)


def retry_at(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """The instant from which a 429 allows a retry; None when it names none.

    Hostaway's `X-RateLimit-Retry-After` is a Unix timestamp, not seconds; a gateway in front of it may send
    `Retry-After` in seconds or as an HTTP date. The result is clamped between now and ten minutes from now.
    """
    instant = _instant(headers.get("X-RateLimit-Retry-After"), now) or _instant(headers.get("Retry-After"), now)
    return None if instant is None else min(max(instant, now), now + _MAX_WAIT)


def _instant(value: str | None, now: datetime) -> datetime | None:
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        return _http_date(value)
    try:
        if number >= _MIN_TIMESTAMP:
            return datetime.fromtimestamp(number, UTC)
        return now + timedelta(seconds=number)
    except (OverflowError, ValueError, OSError):
        return None


def _http_date(value: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
