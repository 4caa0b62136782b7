"""An access token as a value. Fetching it is client/auth.py's, keeping it is store/tokens.py's."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token that is usable now (Hostaway refuses it during its first second)."""

    value: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Token(expires_at={self.expires_at:%Y-%m-%dT%H:%M:%SZ})"


FetchToken = Callable[[str], Token]  # takes the client secret
