"""Services: the parts that a use case may need, over one database. wiring.py chooses the database and the keys."""

import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from datetime import date, timedelta
from functools import cached_property
from typing import Any
from weakref import WeakSet

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.ports import Observer, RateLimiter, TokenStore
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.errors import Aborted, PipelineError
from hostaway_pipeline.security.keyring import Keyring
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.accounts.accounts import Account, Accounts
from hostaway_pipeline.store.accounts.secrets import Secrets
from hostaway_pipeline.store.accounts.tokens import Tokens
from hostaway_pipeline.store.accounts.webhooks import Webhooks
from hostaway_pipeline.store.cadences import Cadences
from hostaway_pipeline.store.checks import Checks
from hostaway_pipeline.store.copy.lookup import Lookup
from hostaway_pipeline.store.copy.merge import Owner
from hostaway_pipeline.store.copy.pull_writer import PullWriter
from hostaway_pipeline.store.copy.push_writer import PushWriter
from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.erasure import Erasure
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.kpis import MonthKpis, kpis_of_month
from hostaway_pipeline.store.locks import account_lock, build_lock, drainer_lock, living_runs, run_lock, webhook_lock
from hostaway_pipeline.store.migrate import check_migrated, migrate
from hostaway_pipeline.store.movement import movement
from hostaway_pipeline.store.outbox import Outbox
from hostaway_pipeline.store.retention import Retention
from hostaway_pipeline.store.slots import SendSlots, Slots
from hostaway_pipeline.store.suppression import Suppression
from hostaway_pipeline.store.sync_runs import SyncRuns
from hostaway_pipeline.store.telemetry import Telemetry

# Enough for the sweeps, merges and locks of a few accounts; a request under way holds no connection.
_CONNECTIONS = 16
# For interactive calls, which a person or an event waits for: one retry, and shorter timeouts than in the background.
_IMPATIENT = RetryPolicy(max_attempts=2, max_attempts_on_429=3, max_seconds=2.0)
_IMPATIENT_SECONDS = 10.0
# For probes, and for a sender, which decides itself whether to send again.
ONE_ATTEMPT = RetryPolicy(max_attempts=1, max_attempts_on_429=1)


class Services:
    """The settings, the database, and the parts on top of them, each built at its first use."""

    def __init__(self, settings: Settings, database_url: str, load_keyring: Callable[[], Keyring]) -> None:
        self.settings = settings
        self.database = Database(database_url, pool_size=_CONNECTIONS)
        self._load_keyring = load_keyring
        self.telemetry = Telemetry(self.database)
        self._clients: WeakSet[HostawayClient] = WeakSet()
        self._clients_lock = threading.Lock()
        self._is_aborted = threading.Event()

    def count_with(self, telemetry: Telemetry) -> None:
        """Share the counters of another Services of this process, and its connections for them."""
        self.telemetry, self.database.on_statement = telemetry, telemetry.record_statement

    @cached_property
    def keyring(self) -> Keyring:
        """Raises KeyringError when no key is set, or the embedded key file is lost."""
        return self._load_keyring()

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(self.database, self.keyring)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.database, self.keyring)

    @cached_property
    def cadences(self) -> Cadences:
        return Cadences(self.database, self.settings.cadence_plan)

    @cached_property
    def sync_runs(self) -> SyncRuns:
        return SyncRuns(self.database)

    @cached_property
    def checks(self) -> Checks:
        are_wanted, stale_after = self.settings.public_url is not None, self.settings.refresh_stale_after
        return Checks(self.database, are_webhooks_wanted=are_wanted, refresh_stale_after=stale_after)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.database, self.keyring)

    @cached_property
    def suppression(self) -> Suppression:
        return Suppression(self.database, lambda: self.keyring)

    @cached_property
    def erasure(self) -> Erasure:
        return Erasure(self.database, self.suppression, self.settings.home)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self.database, self.suppression)

    @cached_property
    def retention(self) -> Retention:
        return Retention(self.database)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.database, self.suppression)

    @cached_property
    def lookup(self) -> Lookup:
        return Lookup(self.database)

    @cached_property
    def webhooks(self) -> Webhooks:
        return Webhooks(self.database, self.keyring)

    @cached_property
    def slots(self) -> Slots:
        return self._slots()

    def abort(self) -> None:
        """Abort all clients of these services, present and future, and waits for an account's lock."""
        with self._clients_lock:
            self._is_aborted.set()
            clients = list(self._clients)
        for client in clients:
            client.abort()

    def client(self, account_id: int, policy: RetryPolicy | None = None, **options: Any) -> HostawayClient:
        """`options`: of Slots, such as the share of the outgoing IP's limit that this client may use up."""
        return self._client(account_id, self._slots(**options), policy, self.settings.read_timeout)

    def interactive_client(self, account_id: int, *, is_probe: bool = False) -> HostawayClient:
        """A client with priority over background work, which gives up sooner; a probe is not retried at all."""
        policy = ONE_ATTEMPT if is_probe else _IMPATIENT
        return self._client(account_id, self._slots(interactive=True), policy, self._impatient_seconds)

    def sending_client(self, account_id: int) -> HostawayClient:
        """A client for a message whose turn has come. It never retries: that is up to the sender."""
        limiter = SendSlots(self._slots(interactive=True))
        return self._client(account_id, limiter, ONE_ATTEMPT, self._impatient_seconds)

    def await_send_turn(self, account_id: int, sleep: Callable[[float], None]) -> None:
        """Wait, with `sleep`, until one more message of this account may be sent."""
        self._slots(interactive=True).acquire_send(account_id, sleep)

    def sleep(self, seconds: float) -> None:
        """Raises Aborted as soon as these services are aborted."""
        if self._is_aborted.wait(seconds):
            raise Aborted

    def pull_writer(self, account: Account, *, dry_run: bool, run_id: int | None = None) -> PullWriter:
        """`run_id`: the sync that writes; its writes fail once another process has replaced it."""
        return PullWriter(self.database, self._owner(account, run_id), dry_run=dry_run)

    def push_writer(self, account: Account) -> PushWriter:
        return PushWriter(self.database, self._owner(account), max_delete_share=self.settings.max_delete_share)

    def account_lock(self, account_id: int, wait_seconds: float) -> AbstractContextManager[None]:
        return account_lock(self.database, account_id, wait_seconds=wait_seconds, sleep=self.sleep)

    def webhook_lock(self, account_id: int) -> AbstractContextManager[None]:
        """Serializes changes of an account's webhook."""
        return webhook_lock(self.database, account_id, sleep=self.sleep)

    def drainer_lock(self, wait_seconds: float = 0) -> AbstractContextManager[bool]:
        return drainer_lock(self.database, wait_seconds=wait_seconds, sleep=self.sleep)

    def build_lock(self) -> AbstractContextManager[None]:
        return build_lock(self.database, sleep=self.sleep)

    def run_lock(self, run_id: str) -> AbstractContextManager[None]:
        return run_lock(self.database, run_id)

    def living_runs(self, run_ids: Collection[str]) -> set[str]:
        return living_runs(self.database, run_ids)

    def movement(self, tables: Collection[str]) -> str:
        """A digest that differs once rows of these tables, or the accounts, have changed."""
        return movement(self.database, tables)

    def kpis_of_month(self, account_id: int, month: date) -> list[MonthKpis]:
        return kpis_of_month(self.database, account_id, month)

    def check(self) -> None:
        """Fail closed: raises unless the schema is current and all keys are present. Erases again who was restored."""
        self.verify()
        self.secrets.check()
        self.erasure.restore()

    def verify(self) -> None:
        """As `check`, without writing anything."""
        self.database.check_server()
        self.check_migrated()
        self.secrets.verify()

    def check_migrated(self) -> None:
        check_migrated(self.database)

    def migrate(self) -> None:
        self.database.check_server()
        migrate(self.database)

    def close(self) -> None:
        """Abort first: while an error unwinds, threads that still wait for Hostaway must not keep the process alive."""
        self.abort()
        with suppress(PipelineError):  # losing counters is no reason to fail
            self.telemetry.flush()
        self.database.dispose()

    def _owner(self, account: Account, run_id: int | None = None) -> Owner:
        trust = timedelta(seconds=self.settings.clock_trust)
        return Owner(account.account_id, account.customer_id, trust, run_id, self.suppression)

    @property
    def _impatient_seconds(self) -> float:
        return min(_IMPATIENT_SECONDS, self.settings.read_timeout)

    def _slots(self, **options: Any) -> Slots:
        chosen = self.settings
        options |= {"egress": chosen.egress, "ip": chosen.rate_limit_ip, "account": chosen.rate_limit_account}
        return Slots(self.database, **options)

    def _client(
        self, account_id: int, limiter: RateLimiter, policy: RetryPolicy | None, read_seconds: float
    ) -> HostawayClient:
        tokens: TokenStore = self.tokens  # mypy checks here that the store satisfies the client's ports
        observer: Observer = self.telemetry
        client = HostawayClient(
            account_id,
            base_url=self.settings.api_url,
            tokens=tokens,
            limiter=limiter,
            observer=observer,
            concurrency=self.settings.concurrency,
            policy=policy,
            read_seconds=read_seconds,
        )
        with self._clients_lock:
            self._clients.add(client)
        if self._is_aborted.is_set():
            client.abort()
        return client
