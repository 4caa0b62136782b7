"""All accounts of a sandbox and the components around them. One account: world/account.py."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from hostaway_pipeline.sandbox.config import SandboxConfig
from hostaway_pipeline.sandbox.deliveries.dispatch import Deliveries
from hostaway_pipeline.sandbox.lookup import find
from hostaway_pipeline.sandbox.rules.counters import Counters
from hostaway_pipeline.sandbox.rules.faults import Faults
from hostaway_pipeline.sandbox.rules.limits import Limits
from hostaway_pipeline.sandbox.rules.tokens import Tokens
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.drift import Drift
from hostaway_pipeline.sandbox.world.pages import Pager
from hostaway_pipeline.sandbox.world.stamps import Clock, seconds_of
from hostaway_pipeline.sandbox.world.traffic import Traffic


class World:
    """The accounts by id, generated at construction."""

    def __init__(self, config: SandboxConfig) -> None:
        self.clock = Clock(seconds_of(config.today))
        with collector_paused():
            self.accounts = {spec.account_id: Account(config, spec, self.clock) for spec in config.accounts}

    def account(self, account_id: int) -> Account:
        """Raises NotFound."""
        return find(self.accounts, account_id)

    def with_credentials(self, client_id: str, client_secret: str) -> Account | None:
        account = self.accounts.get(int(client_id)) if client_id.isdecimal() else None
        return account if account and account.secret == client_secret else None


class Sandbox:
    """All components of a running sandbox except the server."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.world = World(config)
        self.tokens = Tokens(expires_in=config.token_expires_in, delay=config.token_delay)
        self.limits = Limits(config)
        self.counters = Counters()
        self.faults = Faults(ignore_orders=config.ignore_orders)
        self.world.clock.skew = lambda: self.faults.clock_skew
        self.drift = Drift(config.seed)
        self.deliveries = Deliveries(self.faults, config.webhook_time_scale, config.webhook_timeout)
        self.traffic = Traffic(self.world.accounts.values(), config.traffic, config.seed)
        for account in self.world.accounts.values():
            account.on_event = self.deliveries.emit
        self.is_closing = False
        """Ends requests that hang."""

    def pager(self, cap: int) -> Pager:
        """The paging rules of a list with at most `cap` rows per page, or fewer by a fault."""
        return Pager(min(cap, self.faults.page_cap or cap), self.config.short_pages)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector: with millions of new objects and no garbage, collecting triples the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
