"""Accounts come and go: credentials are checked with Hostaway, the webhook is registered, a first sync is asked for."""

from dataclasses import dataclass
from uuid import UUID

from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.errors import AccountError, PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.sync.registration import remove_webhook, try_webhook

_IMPATIENT = RetryPolicy(max_attempts=3, max_attempts_on_429=3)


@dataclass(frozen=True, slots=True)
class Onboarded:
    """`webhook_problem`: why no webhook is registered although one is wanted; a reconcile tries again."""

    account: Account
    webhook_problem: str | None


def add_account(
    services: Services, account_id: int, secret: str, *, name: str | None, customer_id: UUID | None, is_due: bool
) -> Onboarded:
    """Raises AccountError when it exists, InvalidCredentials when Hostaway refuses the secret, or TransientApiError."""
    services.accounts.require_absent(account_id)
    with services.client(account_id, _IMPATIENT) as client:
        token = client.login(secret)
        account = services.accounts.add(account_id, secret, name=name, customer_id=customer_id, is_due=is_due)
        services.tokens.save(account_id, token)
        return Onboarded(account, try_webhook(services, client))


def change_secret(services: Services, account_id: int, secret: str) -> None:
    """Raises InvalidCredentials when Hostaway refuses it: then the present one stays."""
    services.accounts.get(account_id)
    with services.client(account_id, _IMPATIENT) as client:
        token = client.login(secret)
    services.accounts.change_secret(account_id, secret)
    services.tokens.save(account_id, token)


def remove_account(services: Services, account_id: int, *, hard: bool) -> str | None:
    """Stop syncing; with `hard`, delete its rows everywhere. Returns why the webhook is still at Hostaway, if it is.

    An account whose API does not answer can be removed all the same: Hostaway's deliveries are refused from then on,
    and it disables the webhook by itself.
    """
    problem = None
    try:
        services.accounts.get(account_id)
    except AccountError:
        pass  # removed before, with its secrets: only its rows may be left
    else:
        with services.interactive_client(account_id) as client:
            try:
                remove_webhook(services, client)
            except PipelineError as error:
                problem = str(error)
    services.accounts.remove(account_id, hard=hard)
    return problem
