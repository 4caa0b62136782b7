"""What the use cases need to have put together for them; wiring.py does."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.account_tables import AccountTables
from hostaway_pipeline.store.accounts import Account, Accounts
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.lookup import Lookup
from hostaway_pipeline.store.outbox import Outbox
from hostaway_pipeline.store.push_tables import PushTables
from hostaway_pipeline.store.sync_runs import SyncRuns
from hostaway_pipeline.store.telemetry import Telemetry
from hostaway_pipeline.store.tokens import PostgresTokenStore
from hostaway_pipeline.store.webhook_state import WebhookStates


class Services(Protocol):
    """The parts, by what they are for."""

    settings: Settings

    @property
    def accounts(self) -> Accounts: ...

    @property
    def tokens(self) -> PostgresTokenStore: ...

    @property
    def sync_runs(self) -> SyncRuns: ...

    @property
    def inbox(self) -> Inbox: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def lookup(self) -> Lookup: ...

    @property
    def webhooks(self) -> WebhookStates: ...

    telemetry: Telemetry

    def abort(self) -> None:
        """All clients of these services, present and future ones, are aborted; waits for an account's lock end, too."""

    def client(self, account_id: int, policy: RetryPolicy | None = None) -> HostawayClient: ...

    def interactive_client(self, account_id: int, *, is_probe: bool = False) -> HostawayClient:
        """For what somebody waits for: goes ahead of the background, and gives up sooner; a probe at once."""

    def sending_client(self, account_id: int) -> HostawayClient:
        """For a message whose turn has come: every request that Hostaway refuses is its sender's to repeat."""

    def await_send_turn(self, account_id: int, sleep: Callable[[float], None]) -> None:
        """Waits with `sleep` until one more message of this account may be sent."""

    def sleep(self, seconds: float) -> None:
        """Raises Aborted as soon as this process is to end."""

    def tables(self, account: Account, *, dry_run: bool, run_id: int | None = None) -> AccountTables:
        """`run_id`: the sync that writes; nothing is written once another process has taken its place."""

    def push_tables(self, account: Account) -> PushTables: ...

    def account_lock(self, account_id: int, wait_seconds: float) -> AbstractContextManager[None]: ...

    def webhook_lock(self, account_id: int) -> AbstractContextManager[None]:
        """One look after an account's webhook at a time."""

    def drainer_lock(self) -> AbstractContextManager[bool]:
        """False when another drainer is alive."""
