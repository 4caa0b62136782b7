"""The composition root: settings become an engine, a keyring and services. Nothing else puts the parts together."""

import os
import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from weakref import WeakSet

from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.ports import Observer, RateLimiter, TokenStore
from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.embedded import EmbeddedPostgres
from hostaway_pipeline.errors import Aborted, KeyringError, PipelineError
from hostaway_pipeline.security.keyring import Keyring, generate_key
from hostaway_pipeline.settings import Settings
from hostaway_pipeline.store.account_tables import AccountTables
from hostaway_pipeline.store.accounts import Account, Accounts
from hostaway_pipeline.store.database import Database, libpq_environment, sibling_url, with_driver
from hostaway_pipeline.store.health import ColumnDescription, Finding, Health, describe_columns
from hostaway_pipeline.store.inbox import Inbox
from hostaway_pipeline.store.locks import account_lock, drainer_lock, living_runs, run_lock, webhook_lock
from hostaway_pipeline.store.lookup import Lookup
from hostaway_pipeline.store.migrate import check_migrated, migrate
from hostaway_pipeline.store.outbox import Outbox
from hostaway_pipeline.store.push_tables import PushTables
from hostaway_pipeline.store.secrets import Secrets, is_in_use
from hostaway_pipeline.store.slots import PostgresSlots, SendSlots
from hostaway_pipeline.store.sync_runs import SyncRuns
from hostaway_pipeline.store.telemetry import Telemetry
from hostaway_pipeline.store.tokens import PostgresTokenStore
from hostaway_pipeline.store.webhook_state import WebhookStates

__all__ = [
    "ColumnDescription",
    "Finding",
    "Health",
    "Services",
    "dagster_database_url",
    "describe_columns",
    "open_services",
]

DATABASE = "hostaway"
DAGSTER_DATABASE = "dagster"
KEY_FILE = "encryption.keys"
# Requests need none while they are under way; sweeps, merges and locks of a few accounts do.
_CONNECTIONS = 16
# Somebody waits, or an event does: one more try, and a look at the clock sooner than in the background.
_IMPATIENT = RetryPolicy(attempts=2, attempts_when_limited=3, cap=2.0)
_IMPATIENT_SECONDS = 10.0
# Who probes wants one answer, and who sends decides itself what may be sent again.
_ONCE = RetryPolicy(attempts=1, attempts_when_limited=1)


class Services:
    """Everything a command, an asset or a route may need, built on first use from one Settings."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        self.settings = settings
        self.database = Database(database_url, pool_size=_CONNECTIONS)
        self.telemetry = Telemetry(self.database)
        self._clients: WeakSet[HostawayClient] = WeakSet()
        self._clients_lock = threading.Lock()
        self._is_aborted = threading.Event()

    def count_with(self, telemetry: Telemetry) -> None:
        """Count where another one of this process does, on its connections."""
        self.telemetry = telemetry
        self.database.on_statement = telemetry.statement_ended

    @cached_property
    def keyring(self) -> Keyring:
        """Raises KeyringError when no key is set, or the embedded key file is lost."""
        if self.settings.encryption_keys is not None:
            return Keyring.parse(self.settings.encryption_keys.get_secret_value())
        if self.settings.database_url is not None:
            raise KeyringError("HOSTAWAY_ENCRYPTION_KEYS is not set; `hostaway keys generate` makes a key")
        return Keyring.parse(self._key_file().read_text(encoding="ascii").strip())

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(self.database, self.keyring)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.database, self.keyring)

    @cached_property
    def sync_runs(self) -> SyncRuns:
        return SyncRuns(self.database)

    @cached_property
    def health(self) -> Health:
        return Health(self.database, are_webhooks_wanted=self.settings.public_url is not None)

    @cached_property
    def tokens(self) -> PostgresTokenStore:
        return PostgresTokenStore(self.database, self.keyring)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self.database)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.database)

    @cached_property
    def lookup(self) -> Lookup:
        return Lookup(self.database)

    @cached_property
    def webhooks(self) -> WebhookStates:
        return WebhookStates(self.database, self.keyring)

    @cached_property
    def slots(self) -> PostgresSlots:
        return self._slots(interactive=False)

    def abort(self) -> None:
        """All clients of these services, present and future ones, are aborted; waits for an account's lock end, too."""
        with self._clients_lock:
            self._is_aborted.set()
            clients = list(self._clients)
        for client in clients:
            client.abort()

    def client(self, account_id: int, policy: RetryPolicy | None = None) -> HostawayClient:
        return self._client(account_id, self.slots, policy, self.settings.read_timeout)

    def interactive_client(self, account_id: int, *, is_probe: bool = False) -> HostawayClient:
        """For what somebody waits for: goes ahead of the background, and gives up sooner; a probe at once."""
        policy = _ONCE if is_probe else _IMPATIENT
        return self._client(account_id, self._slots(interactive=True), policy, self._impatient_seconds)

    def sending_client(self, account_id: int) -> HostawayClient:
        """For a message whose turn has come: every request that Hostaway refuses is its sender's to repeat."""
        limiter = SendSlots(self._slots(interactive=True))
        return self._client(account_id, limiter, _ONCE, self._impatient_seconds)

    def await_send_turn(self, account_id: int, sleep: Callable[[float], None]) -> None:
        """Waits with `sleep` until one more message of this account may be sent."""
        self._slots(interactive=True).acquire_send(account_id, sleep)

    def sleep(self, seconds: float) -> None:
        """Raises Aborted as soon as these services are."""
        if self._is_aborted.wait(seconds):
            raise Aborted

    def tables(self, account: Account, *, dry_run: bool, run_id: int | None = None) -> AccountTables:
        """`run_id`: the sync that writes; nothing is written once another process has taken its place."""
        return AccountTables(
            self.database,
            account.account_id,
            account.customer_id,
            trust=self._clock_trust,
            dry_run=dry_run,
            run_id=run_id,
        )

    def push_tables(self, account: Account) -> PushTables:
        return PushTables(
            self.database,
            account.account_id,
            account.customer_id,
            trust=self._clock_trust,
            max_delete_share=self.settings.max_delete_share,
        )

    def account_lock(self, account_id: int, wait_seconds: float) -> AbstractContextManager[None]:
        return account_lock(self.database, account_id, wait_seconds=wait_seconds, sleep=self.sleep)

    def webhook_lock(self, account_id: int) -> AbstractContextManager[None]:
        """One look after an account's webhook at a time."""
        return webhook_lock(self.database, account_id, sleep=self.sleep)

    def drainer_lock(self) -> AbstractContextManager[bool]:
        return drainer_lock(self.database)

    def run_lock(self, run_id: str) -> AbstractContextManager[None]:
        return run_lock(self.database, run_id)

    def living_runs(self, run_ids: Collection[str]) -> set[str]:
        return living_runs(self.database, run_ids)

    def check(self) -> None:
        """Fail closed: raises unless the schema is current and every stored secret's key is here."""
        self.verify()
        self.secrets.check()

    def verify(self) -> None:
        """The same, and nothing is written."""
        self.database.check_server()
        self.check_migrated()
        self.secrets.verify()

    def check_migrated(self) -> None:
        check_migrated(self.database)

    def migrate(self) -> None:
        self.database.check_server()
        migrate(self.database)

    def close(self) -> None:
        """Also when the work is unwinding: threads that still wait for Hostaway must not hold the process."""
        self.abort()
        with suppress(PipelineError):  # counters are worth no failure
            self.telemetry.flush()
        self.database.dispose()

    @property
    def _clock_trust(self) -> timedelta:
        return timedelta(seconds=self.settings.clock_trust)

    @property
    def _impatient_seconds(self) -> float:
        return min(_IMPATIENT_SECONDS, self.settings.read_timeout)

    def _slots(self, *, interactive: bool) -> PostgresSlots:
        return PostgresSlots(
            self.database,
            egress=self.settings.egress,
            ip=self.settings.rate_limit_ip,
            account=self.settings.rate_limit_account,
            interactive=interactive,
        )

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

    def _key_file(self) -> Path:
        """The embedded database's key, made at its first start. A lost key is an error, never a new key."""
        path = self.settings.home.absolute() / KEY_FILE
        if not path.exists():
            if is_in_use(self.database):
                raise KeyringError(f"{path} is gone, and stored secrets need it: restore the file from a backup")
            _write_once(path, f"embedded:{generate_key()}")
        if path.stat().st_mode & 0o077:
            raise KeyringError(f"{path} can be read by others: run `chmod 600 {path}`")
        return path


def open_services(settings: Settings, *, create: bool = True) -> Services:
    """Services on the configured database, or on the embedded one, which is started and joined.

    `create`: make the embedded database if need be; who comes after the first command need not ask.
    """
    return Services(settings, database_url(settings, DATABASE, create=create))


def database_url(settings: Settings, name: str, *, create: bool = True) -> str:
    """The URL of one of our two databases, without a driver in its scheme."""
    configured = settings.database_url if name == DATABASE else settings.dagster_database_url
    if configured is not None:
        return configured.get_secret_value()
    if settings.database_url is not None:
        return sibling_url(settings.database_url.get_secret_value(), name)
    server = embedded_postgres(settings.home.absolute())
    server.start()
    if create:
        server.ensure_database(name)
    return server.url(name)


def dagster_database_url(settings: Settings, services: Services) -> str:
    """Where Dagster stores runs, made when it is not there. psycopg2 is named: a bare URL would select psycopg 3."""
    url = database_url(settings, DAGSTER_DATABASE)
    if settings.dagster_database_url is None and settings.database_url is not None:
        services.database.ensure_sibling(DAGSTER_DATABASE)
    return with_driver(url, "postgresql+psycopg2")


def psql_command(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """psql's arguments, and the variables that carry the password: an argument would show in the process list."""
    if settings.database_url is None:
        server = embedded_postgres(settings.home.absolute())
        server.start()
        server.ensure_database(DATABASE)
        return server.psql(DATABASE), {}
    return ["psql"], libpq_environment(settings.database_url.get_secret_value())


@cache
def embedded_postgres(home: Path) -> EmbeddedPostgres:
    """One per process and folder: it is left when the process ends."""
    return EmbeddedPostgres(home)


def _write_once(path: Path, text: str) -> None:
    """Whoever comes second keeps the first one's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
