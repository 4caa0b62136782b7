"""What the use cases need to have put together for them; wiring.py does."""

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

    def client(self, account_id: int, policy: RetryPolicy | None = None) -> HostawayClient: ...

    def interactive_client(self, account_id: int) -> HostawayClient:
        """For what somebody waits for: goes ahead of the background, and gives up sooner."""

    def sending_client(self, account_id: int) -> HostawayClient:
        """Keeps to the limit of sent messages, too."""

    def tables(self, account: Account, *, dry_run: bool) -> AccountTables: ...

    def push_tables(self, account: Account) -> PushTables: ...

    def account_lock(self, account_id: int, wait_seconds: float) -> AbstractContextManager[None]: ...

    def sending_lock(self, message_id: int) -> AbstractContextManager[bool]:
        """False when somebody else is sending this message."""

    def drainer_lock(self) -> AbstractContextManager[bool]:
        """False when another drainer is alive."""
