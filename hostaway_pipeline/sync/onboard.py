"""Adds and removes accounts: checks credentials with Hostaway, and registers or deletes the webhook."""

from dataclasses import dataclass
from uuid import UUID

from hostaway_pipeline.client.retry import RetryPolicy
from hostaway_pipeline.errors import AccountError, PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.sync.registration import receiver_url, remove_webhook, try_webhook

_IMPATIENT = RetryPolicy(max_attempts=3, max_attempts_on_429=3)


@dataclass(frozen=True, slots=True)
class Onboarded:
    """An added account. `webhook_problem`: why its webhook could not be registered; a reconcile tries again."""

    account: Account
    webhook_problem: str | None


def add_account(
    services: Services, account_id: int, secret: str, *, name: str | None, customer_id: UUID | None, is_due: bool
) -> Onboarded:
    """Add an account. `is_due`: schedule its first sync now.

    Raises AccountError when it exists, InvalidCredentials when Hostaway refuses the secret, or TransientApiError.
    """
    services.accounts.require_absent(account_id)
    with services.client(account_id, _IMPATIENT) as client:
        token = client.login(secret)
        account = services.accounts.add(account_id, secret, name=name, customer_id=customer_id, is_due=is_due)
        services.tokens.save(account_id, token)
        return Onboarded(account, try_webhook(services, client))


def change_secret(services: Services, account_id: int, secret: str) -> None:
    """Store a new secret once Hostaway accepts it. Raises InvalidCredentials when it does not: the old one stays."""
    services.accounts.get(account_id)
    with services.client(account_id, _IMPATIENT) as client:
        token = client.login(secret)
    services.accounts.change_secret(account_id, secret)
    services.tokens.save(account_id, token)


def remove_account(services: Services, account_id: int, *, hard: bool) -> str | None:
    """Stop syncing; with `hard`, delete its rows everywhere. Returns why the webhook could not be deleted, if so.

    An account whose API does not answer is removed all the same: its deliveries are refused from then on, so that
    Hostaway disables the webhook by itself.
    """
    problem = None
    try:
        services.accounts.get(account_id)
    except AccountError:
        pass  # removed before, with its secrets: only rows can be left
    else:
        with services.interactive_client(account_id) as client:
            try:
                remove_webhook(services.webhooks, client, receiver_url(services.settings))
            except PipelineError as error:
                problem = str(error)
    services.accounts.remove(account_id, hard=hard)
    return problem
