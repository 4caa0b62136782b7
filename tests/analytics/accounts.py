"""Sandbox accounts in a database, with what happened to them since: for tests of what the models make of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from typing import Any

from hostaway_pipeline.domain.calendar import CALENDAR, span
from hostaway_pipeline.domain.entities import ENTITIES
from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig
from hostaway_pipeline.sandbox.server import SandboxServer
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.services import Services
from hostaway_pipeline.wiring import services_on
from tests.analytics.oracle.source import Payload, Source, calendar_of, source_of
from tests.factories import SANDBOXES, add_account, make_settings, rows, synced


class Accounts:
    """The accounts of one sandbox, synced into one database. `today` is the sandbox's day; `seed` repeats a failure."""

    def __init__(self, services: Services, sandbox: SandboxServer, url: str) -> None:
        self.seed = sandbox.config.seed
        self.services = services
        self.sandbox = sandbox
        self.url = url
        self.all = sandbox.world.accounts
        self.today = datetime.now(UTC).date()
        self._calendars: dict[int, dict[tuple[int, date], Payload]] = {account_id: {} for account_id in self.all}
        self._removed: dict[int, list[Payload]] = {account_id: [] for account_id in self.all}

    def sync(self, account_id: int, *, calendar: bool = False, **options: Any) -> None:
        """Sync an account; the calendar is that of the listings that are for sale now."""
        entities = (*ENTITIES, CALENDAR) if calendar else tuple(ENTITIES)
        synced(self.services, account_id, entities=entities, **options)
        if calendar:
            first, last = span(self.today)
            account = self.all[account_id]
            for_sale = [key for key, row in account.listings.items() if row.own["specialStatus"] is None]
            days = range(first.toordinal(), last.toordinal() + 1)
            self._calendars[account_id] |= calendar_of(account, for_sale, days)

    def delete_listing(self, account: Account, listing_id: int) -> None:
        """Delete it at the sandbox; the oracle goes on to know what it was."""
        self._removed[account.id].append(account.listings[listing_id].payload())
        account.delete_listing(listing_id)

    def source(self, account_id: int, **facts: Any) -> Source:
        """What the oracle needs of an account; of the database only the times at which the sync saw something."""
        seen = rows(
            self.url, "SELECT id, archived_at, deleted_at FROM hostaway.listings WHERE account_id = %s", account_id
        )
        source = source_of(
            self.all[account_id],
            self.today,
            calendar=self._calendars[account_id],
            archived_at={row["id"]: row["archived_at"] for row in seen if row["archived_at"]},
            deleted_at={row["id"]: row["deleted_at"] for row in seen if row["deleted_at"]},
            **facts,
        )
        source.listings += self._removed[account_id]
        return source


@contextmanager
def opened(url: str, *specs: str, seed: int, today: date | None = None, **settings: Any) -> Iterator[Accounts]:
    """Start a sandbox with these accounts and add them to the database; nothing is synced yet."""
    accounts = tuple(SandboxAccount.parse(spec) for spec in specs)
    day = (today or datetime.now(UTC).date()).isoformat()
    config = SandboxConfig(accounts=accounts, seed=seed, today=day, ip_limit=None, account_limit=None, token_delay=0.0)
    with ExitStack() as stack:
        sandbox = stack.enter_context(SandboxServer(config))
        services = services_on(make_settings(url, sandbox.url, **settings), url)
        stack.callback(services.close)
        services.secrets.check()
        SANDBOXES[sandbox.url] = sandbox
        for account_id in sandbox.world.accounts:
            add_account(services, account_id)
        yield Accounts(services, sandbox, url)
