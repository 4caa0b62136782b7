"""Counts requests: by path, status and account, concurrently and per window. Observes only, decides nothing."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from threading import Lock
from typing import Any, NamedTuple, TypeVar

WINDOW = 10.0

Owner = TypeVar("Owner", int, str)


class Arrival(NamedTuple):
    """One /v1 request; `at` is monotonic seconds. 429 means refused, 499 never answered."""

    at: float
    ip: str
    account_id: int | None
    path: str
    status: int

    @property
    def is_accepted(self) -> bool:
        return self.status != 429


class Counters:
    """Counts GET requests under their path template, others under `METHOD template`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._arrivals: list[Arrival] = []
        self._in_flight = 0
        self.max_in_flight = 0

    def start_request(self) -> None:
        with self._lock:
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)

    def finish_request(self, arrival: Arrival) -> None:
        with self._lock:
            self._in_flight -= 1
            self._arrivals.append(arrival)

    @property
    def in_flight(self) -> int:
        """How many requests have come and not been answered yet."""
        return self._in_flight

    def reset(self) -> None:
        with self._lock:
            self._arrivals.clear()
            self.max_in_flight = self._in_flight

    def arrivals(self) -> list[Arrival]:
        """Every finished request since the last reset, in order of arrival."""
        with self._lock:
            return sorted(self._arrivals, key=lambda arrival: arrival.at)

    @property
    def total(self) -> int:
        return len(self._arrivals)

    @property
    def http_429(self) -> int:
        return self.by_status()[429]

    def calls(self) -> Counter[str]:
        return Counter(arrival.path for arrival in self.arrivals())

    def by_status(self) -> Counter[int]:
        return Counter(arrival.status for arrival in self.arrivals())

    def by_account(self) -> Counter[int]:
        return Counter(arrival.account_id for arrival in self.arrivals() if arrival.account_id is not None)

    def accepted_between(self, start: float, end: float) -> Counter[int]:
        """Accepted requests per account whose arrival is in [start, end), in monotonic seconds."""
        accepted = (arrival for arrival in self.arrivals() if arrival.is_accepted and start <= arrival.at < end)
        return Counter(arrival.account_id for arrival in accepted if arrival.account_id is not None)

    def peak(self, ip: str | None = None, account_id: int | None = None, *, seconds: float = WINDOW) -> int:
        """The most accepted requests in any sliding window: of an account, of an IP, or of the busiest IP."""
        if account_id is not None:
            return self.account_peaks(seconds).get(account_id, 0)
        peaks = self.ip_peaks(seconds)
        return max(peaks.values(), default=0) if ip is None else peaks.get(ip, 0)

    def account_peak(self, *, seconds: float = WINDOW) -> int:
        """The peak of the busiest account."""
        return max(self.account_peaks(seconds).values(), default=0)

    def ip_peaks(self, seconds: float = WINDOW) -> dict[str, int]:
        return peaks_by(((arrival.ip, arrival.at) for arrival in self.arrivals() if arrival.is_accepted), seconds)

    def account_peaks(self, seconds: float = WINDOW) -> dict[int, int]:
        accepted = (arrival for arrival in self.arrivals() if arrival.is_accepted)
        owned = ((arrival.account_id, arrival.at) for arrival in accepted if arrival.account_id is not None)
        return peaks_by(owned, seconds)

    def snapshot(self, seconds: float = WINDOW) -> dict[str, Any]:
        """All counts as JSON types; `peak` is that of the busiest IP and account in any window of `seconds`."""
        return {
            "total": self.total,
            "calls": dict(self.calls()),
            "statuses": {str(status): calls for status, calls in self.by_status().items()},
            "accounts": {str(account_id): calls for account_id, calls in self.by_account().items()},
            "http_429": self.http_429,
            "max_in_flight": self.max_in_flight,
            "peak_10s": self.ip_peaks(),
            "peak_10s_accounts": {str(account_id): peak for account_id, peak in self.account_peaks().items()},
            "peak": {
                "seconds": seconds,
                "ip": self.peak(seconds=seconds),
                "account": self.account_peak(seconds=seconds),
            },
        }


def peaks_by(arrivals: Iterable[tuple[Owner, float]], seconds: float) -> dict[Owner, int]:
    """The peak of each owner's arrivals, which must be in order of time."""
    times: defaultdict[Owner, list[float]] = defaultdict(list)
    for owner, at in arrivals:
        times[owner].append(at)
    return {owner: busiest(instants, seconds) for owner, instants in times.items()}


def busiest(times: Iterable[float], seconds: float) -> int:
    """How many of these ascending times lie within one window of `seconds` at the most."""
    window: deque[float] = deque()
    peak = 0
    for at in times:
        window.append(at)
        while window[0] <= at - seconds:
            window.popleft()
        peak = max(peak, len(window))
    return peak
