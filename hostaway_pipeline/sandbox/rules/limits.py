"""Hostaway's rate limits: sliding windows per IP, per account and for sends. The 429 itself: api/envelope.py."""

import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from hostaway_pipeline.sandbox.config import RetryAfterStyle, SandboxConfig

Requests = Annotated[int, Field(ge=0)] | None
Seconds = Annotated[float, Field(gt=0)]


class LimitSettings(BaseModel):
    """The settings that can be changed at run time; None switches a limit off."""

    model_config = ConfigDict(extra="forbid")

    ip: Requests
    account: Requests
    window: Seconds
    """Seconds, for `ip` and `account` alike: Hostaway's windows have the same length."""
    sends: Requests
    send_window: Seconds
    retry_after_style: RetryAfterStyle


@dataclass(frozen=True, slots=True)
class Refusal:
    """The limit that was hit, the seconds until a slot is free, and the Unix time of that."""

    limit: int
    seconds: float
    free_at: float


class SlidingWindow:
    """Admits at most `limit` requests in any `seconds`; both may be changed at run time."""

    def __init__(self, limit: int | None, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._arrivals: defaultdict[str, deque[float]] = defaultdict(deque)

    def wait(self, key: str, now: float) -> float:
        """Seconds until this key may send; 0 if it may now."""
        if self.limit is None:
            return 0.0
        arrivals = self._arrivals[key]
        while arrivals and arrivals[0] <= now - self.seconds:
            arrivals.popleft()
        if len(arrivals) < self.limit:
            return 0.0
        blocking = arrivals[-self.limit] if self.limit else now
        return blocking + self.seconds - now

    def add(self, key: str, now: float) -> None:
        if self.limit is not None:
            self._arrivals[key].append(now)

    def clear(self) -> None:
        self._arrivals.clear()


class Limits:
    """The three windows. A refused request counts in none of them."""

    def __init__(self, config: SandboxConfig) -> None:
        self.ip = SlidingWindow(config.ip_limit, config.window)
        self.account = SlidingWindow(config.account_limit, config.window)
        self.sends = SlidingWindow(config.send_limit, config.send_window)
        self.retry_after_style = config.retry_after_style

    def admit(self, now: float, ip: str, account_id: int | None, *, is_send: bool = False) -> Refusal | None:
        """Count one request, or return why it is refused. `now` is monotonic."""
        windows = [(self.ip, ip)]
        if account_id is not None:
            windows.append((self.account, str(account_id)))
            if is_send:
                windows.append((self.sends, str(account_id)))
        for window, key in windows:
            if wait := window.wait(key, now):
                return Refusal(window.limit or 0, wait, time.time() + wait)
        for window, key in windows:
            window.add(key, now)
        return None

    def settings(self) -> dict[str, Any]:
        """The current settings, under the names of LimitSettings."""
        return {
            "ip": self.ip.limit,
            "account": self.account.limit,
            "window": self.ip.seconds,
            "sends": self.sends.limit,
            "send_window": self.sends.seconds,
            "retry_after_style": self.retry_after_style,
        }

    def update(self, **changes: Any) -> None:
        """Change some settings and keep the windows' contents. Raises ValueError before changing any."""
        settings = LimitSettings.model_validate(self.settings() | changes)
        self.ip.limit, self.account.limit, self.sends.limit = settings.ip, settings.account, settings.sends
        self.ip.seconds = self.account.seconds = settings.window
        self.sends.seconds = settings.send_window
        self.retry_after_style = settings.retry_after_style

    def clear(self) -> None:
        for window in (self.ip, self.account, self.sends):
            window.clear()
