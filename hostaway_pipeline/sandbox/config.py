"""The sandbox's configuration: accounts, limits, page caps and latency.

Plain values only; cli/sandbox.py reads the command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

RetryAfterStyle = Literal["unix", "seconds", "http-date"]

HALF_A_YEAR = 184 * 24 * 3600


def secret_for(account_id: int) -> str:
    """The client secret of an account whose spec gives none."""
    return f"sandbox-secret-{account_id}"


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """One Hostaway customer and how much it holds; `account_id` is also the OAuth client id."""

    account_id: int
    listings: int = 7
    reservations: int = 200
    secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.secret:
            object.__setattr__(self, "secret", secret_for(self.account_id))

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read `ID:LISTINGS:RESERVATIONS`; raises ValueError naming the spec."""
        parts = spec.split(":")
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            raise ValueError(f"not an account spec, expected ID:LISTINGS:RESERVATIONS: {spec!r}")
        account_id, listings, reservations = map(int, parts)
        return cls(account_id, listings, reservations)


def parse_accounts(spec: str) -> list[SandboxAccount]:
    """Read `ID:LISTINGS:RESERVATIONS`, or `FIRST-LAST:LISTINGS:RESERVATIONS` for many accounts of one size.

    Raises ValueError naming the spec.
    """
    ids, colon, size = spec.partition(":")
    first, dash, last = ids.partition("-")
    if not dash:
        return [SandboxAccount.parse(spec)]
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) and size.count(":") == 1):
        raise ValueError(f"not a range of accounts, expected FIRST-LAST:LISTINGS:RESERVATIONS: {spec!r}")
    return [SandboxAccount.parse(f"{account_id}{colon}{size}") for account_id in range(int(first), int(last) + 1)]


@dataclass(slots=True)
class SandboxConfig:
    """Times are in seconds; a limit of None is off. Raises ValueError for a time scale that is not positive.

    Hostaway publishes 200 requests per sliding 10 s, per IP and per account, and 30 sends a minute.
    """

    accounts: Sequence[SandboxAccount] = (SandboxAccount(59808, 7, 787),)
    seed: int = 1
    today: str = "2026-09-01"
    id_offset: int = 0
    """Added to every id. Accounts with the same offset share ids."""

    ip_limit: int | None = 200
    account_limit: int | None = 200
    window: float = 10.0
    send_limit: int | None = 30
    send_window: float = 60.0
    retry_after_style: RetryAfterStyle = "unix"

    token_expires_in: int = HALF_A_YEAR
    token_delay: float = 1.0
    """A token is refused until it is this old."""

    listings_cap: int = 1000
    reservations_cap: int = 500
    conversations_cap: int = 100
    messages_cap: int = 100
    short_pages: bool = False
    ignore_orders: bool = False
    """Start with the fault of that name on: `sortOrder` of the reservations is ignored."""
    latency: float = 0.0

    require_public_urls: bool = False
    """Accept webhooks only at https URLs with a domain name and no port, as Hostaway does."""
    webhook_time_scale: float = 1.0
    """How many of Hostaway's seconds pass in one of ours: at 1200, an hour of retries takes 3 s."""
    webhook_timeout: float = 20.0
    """How long a delivery waits for its answer, whatever the time scale."""
    traffic: float = 0.0
    """Changes per second across all accounts while the server runs."""

    def __post_init__(self) -> None:
        if self.webhook_time_scale <= 0:
            raise ValueError(f"not a time scale: {self.webhook_time_scale!r}")
