"""An access token as a value. client/auth.py fetches it, store/accounts/tokens.py stores it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token that is usable now: Hostaway refuses it during its first second, which has passed."""

    value: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Token(expires_at={self.expires_at:%Y-%m-%dT%H:%M:%SZ})"


FetchToken = Callable[[str], Token]  # takes the client secret
