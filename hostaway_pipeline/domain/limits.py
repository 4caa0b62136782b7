"""Rate limits as values. store/slots.py enforces them across processes."""

import re
from dataclasses import dataclass
from typing import Self

# Time between the permission for a request and its being counted by the server: waking up, network, stalls.
MARGIN_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` requests in any span of `seconds` seconds."""

    requests: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `200/10`: 200 requests in any 10 seconds. Raises ValueError."""
        match = re.fullmatch(r"\s*([1-9]\d{0,6})\s*/\s*(\d{1,6}(?:\.\d{1,6})?)\s*", text)
        if match is None or float(match[2]) <= 0:
            raise ValueError(f"{text!r} is not of the form REQUESTS/SECONDS, such as 200/10")
        return cls(int(match[1]), float(match[2]))

    @property
    def per_second(self) -> float:
        """Requests per second that are really sent, because windows are counted a little longer."""
        return self.requests / (self.seconds + MARGIN_SECONDS)

    def __str__(self) -> str:
        return f"{self.requests}/{self.seconds:g}"
