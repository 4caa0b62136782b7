"""Takes over the accounts of another program: checks each secret with Hostaway, encrypts it, requests its first sync.

An account that cannot be taken over holds up no other. What is there already stays as it is, so it may be repeated.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from hostaway_pipeline.errors import AccountError, PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.foreign_accounts import ForeignAccount
from hostaway_pipeline.sync.onboard import add_account

_AT_ONCE = 8
# As long as deliveries may come with the login that the other program had registered.
_OLD_LOGIN_VALID = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Taken:
    """One account of theirs. `problem`: why it was left; None: it was added."""

    account_id: int | None
    problem: str | None = None
    webhook_problem: str | None = None


def take_over(services: Services, found: Iterable[ForeignAccount]) -> Iterator[Taken]:
    """Yield every account of theirs in its order. Raises DatabaseUnavailable."""
    present = {account.account_id for account in services.accounts.active()}
    with ThreadPoolExecutor(_AT_ONCE, "take-over") as pool:
        yield from pool.map(lambda account: _take(services, account, present), found)


def _take(services: Services, account: ForeignAccount, present: set[int]) -> Taken:
    account_id = account.account_id
    if account_id is None:
        return Taken(None, "its id is no number from 1 on")
    if not account.is_active:
        return Taken(account_id, "it is switched off there")
    if account_id in present:
        return Taken(account_id, "it is here already")
    if account.secret is None:
        return Taken(account_id, "it has no secret")
    try:
        added = add_account(services, account_id, account.secret, name=account.name, customer_id=None, is_due=True)
        if account.webhook_login and account.webhook_password:
            login, password = account.webhook_login, account.webhook_password
            services.webhooks.accept_also(account_id, login, password, _OLD_LOGIN_VALID)
    except PipelineError as error:
        return Taken(account_id, "it is twice in the table" if isinstance(error, AccountError) else str(error))
    return Taken(account_id, webhook_problem=added.webhook_problem)
