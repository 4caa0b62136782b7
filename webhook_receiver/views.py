"""Builds the API's answers about an account from what is stored."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hostaway_pipeline.domain.cadences import DEFAULT, Schedule, schedule_texts
from hostaway_pipeline.domain.vocabulary import Cadence
from hostaway_pipeline.errors import AccountError
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import AccountOverview
from webhook_receiver.errors import public_text
from webhook_receiver.schemas import AccountDetail, AccountSummary, DueTime, Webhook


def summary(entry: AccountOverview, own: Mapping[Cadence, Schedule]) -> AccountSummary:
    """`own`: the account's own schedules."""
    account = entry.account
    return AccountSummary(
        account_id=account.account_id,
        customer_id=account.customer_id,
        name=account.name,
        status=account.state(datetime.now(UTC)),
        last_sync_at=account.last_sync_at,
        last_run_status=entry.last_status,
        last_error=None if entry.last_error is None else public_text(entry.last_error),
        rows=entry.rows,
        schedule=schedule_texts(own),
    )


def detail(services: Services, account_id: int) -> AccountDetail:
    """Raises AccountError for an unknown account."""
    entry = next(iter(services.accounts.overview(account_id)), None)
    if entry is None:
        raise AccountError(f"account {account_id} is not known")
    state = services.webhooks.state(account_id)
    webhook = Webhook(
        is_registered=state.webhook_id is not None,
        is_enabled=state.is_enabled,
        checked_at=state.checked_at,
        heard_at=state.heard_at,
    )
    states = services.cadences.of(account_id)
    own = {one.mode: one.own for one in states if one.own != DEFAULT}
    due = [
        DueTime(
            mode=one.mode,
            schedule=str(one.own),
            next_due_at=one.next_due_at,
            requested_at=one.requested_at,
            as_of=one.succeeded_at,
        )
        for one in states
    ]
    return AccountDetail(**summary(entry, own).model_dump(), webhook=webhook, due=due)
