"""Rate limits as values. How they are kept between processes is store/slots.py."""

import re
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """`200/10` is 200 requests in any 10 seconds. Raises ValueError."""
        match = re.fullmatch(r"\s*([1-9]\d{0,6})\s*/\s*(\d{1,6}(?:\.\d{1,6})?)\s*", text)
        if match is None or float(match[2]) <= 0:
            raise ValueError(f"{text!r} is not of the form REQUESTS/SECONDS, such as 200/10")
        return cls(int(match[1]), float(match[2]))

    def __str__(self) -> str:
        return f"{self.requests}/{self.seconds:g}"
