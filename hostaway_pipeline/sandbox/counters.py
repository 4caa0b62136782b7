"""What the sandbox saw: calls, statuses, arrivals, concurrency. It observes and decides nothing."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from threading import Lock
from typing import Any, NamedTuple


class Arrival(NamedTuple):
    """One /v1 request; `at` is monotonic seconds; refused ones (429) are not accepted."""

    at: float
    ip: str
    account_id: int | None
    path: str
    status: int

    @property
    def accepted(self) -> bool:
        return self.status != 429


class Counters:
    """GET requests count under their path template, others under `METHOD template`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._arrivals: list[Arrival] = []
        self._in_flight = 0
        self.max_in_flight = 0

    def started(self) -> None:
        with self._lock:
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)

    def finished(self, arrival: Arrival) -> None:
        with self._lock:
            self._in_flight -= 1
            self._arrivals.append(arrival)

    def reset(self) -> None:
        with self._lock:
            self._arrivals.clear()
            self.max_in_flight = self._in_flight

    def arrivals(self) -> list[Arrival]:
        """Every answered request since the last reset, in order of arrival."""
        with self._lock:
            return sorted(self._arrivals)

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

    def peak(self, ip: str | None = None, account_id: int | None = None, *, seconds: float = 10.0) -> int:
        """The most accepted arrivals in any sliding window; of one IP (default: the busiest) or one account."""
        if account_id is not None:
            return busiest((a.at for a in self.arrivals() if a.accepted and a.account_id == account_id), seconds)
        times: defaultdict[str, list[float]] = defaultdict(list)
        for arrival in self.arrivals():
            if arrival.accepted and ip in (None, arrival.ip):
                times[arrival.ip].append(arrival.at)
        return max((busiest(of_one, seconds) for of_one in times.values()), default=0)

    def snapshot(self) -> dict[str, Any]:
        """Everything as JSON types."""
        accounts = self.by_account()
        ips = {arrival.ip for arrival in self.arrivals()}
        return {
            "total": self.total,
            "calls": dict(self.calls()),
            "statuses": {str(status): calls for status, calls in self.by_status().items()},
            "accounts": {str(account_id): calls for account_id, calls in accounts.items()},
            "http_429": self.http_429,
            "max_in_flight": self.max_in_flight,
            "peak_10s": {ip: self.peak(ip) for ip in sorted(ips)},
            "peak_10s_accounts": {str(account_id): self.peak(account_id=account_id) for account_id in accounts},
        }


def busiest(times: Iterable[float], seconds: float) -> int:
    """The most of these ascending times that lie within one window."""
    window: deque[float] = deque()
    peak = 0
    for at in times:
        window.append(at)
        while window[0] <= at - seconds:
            window.popleft()
        peak = max(peak, len(window))
    return peak
