"""Issues, looks up and revokes access tokens. api/gate.py decides which requests need one."""

import secrets
import time
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Token:
    account_id: int
    usable_at: float
    expires_at: float


class Tokens:
    """The tokens of all accounts. A token is usable `delay` seconds after it is issued; older ones stay valid."""

    def __init__(self, *, expires_in: int, delay: float) -> None:
        self.expires_in = expires_in
        self.delay = delay
        self._tokens: dict[str, Token] = {}
        self._lock = Lock()

    def issue(self, account_id: int) -> str:
        now = time.monotonic()
        text = secrets.token_urlsafe(96)
        with self._lock:
            self._tokens[text] = Token(account_id, now + self.delay, now + self.expires_in)
        return text

    def owner(self, text: str) -> int | None:
        """The account of a token, usable or not: its rate limits hold either way."""
        token = self._tokens.get(text)
        return token.account_id if token else None

    def is_usable(self, text: str) -> bool:
        token = self._tokens.get(text)
        return token is not None and token.usable_at <= time.monotonic() < token.expires_at

    def revoke(self, text: str) -> bool:
        with self._lock:
            return self._tokens.pop(text, None) is not None

    def revoke_all(self, account_id: int | None = None) -> int:
        """Revoke every token, or those of one account; returns how many there were."""
        with self._lock:
            revoked = [text for text, token in self._tokens.items() if account_id in (None, token.account_id)]
            for text in revoked:
                del self._tokens[text]
        return len(revoked)
