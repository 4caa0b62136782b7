"""Accounts: add, show, change, remove and sync them."""

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Path, Query, Response

from hostaway_pipeline.domain.vocabulary import Mode
from hostaway_pipeline.errors import AccountError
from hostaway_pipeline.services import Services
from hostaway_pipeline.sync.onboard import add_account, change_secret, remove_account
from hostaway_pipeline.sync.pull.request import PullRequest
from hostaway_pipeline.sync.pull.run import pull
from webhook_receiver.answers import GUARDED, MALFORMED, WITH_BODY, problems
from webhook_receiver.deps import ApiKey, ServicesDep
from webhook_receiver.errors import public_message
from webhook_receiver.schemas import (
    BIGINT,
    AccountDetail,
    AccountReplacement,
    AccountSummary,
    AccountUpdate,
    Created,
    DryRun,
    NewAccount,
    Removed,
    SyncAsked,
)
from webhook_receiver.views import detail, summary

AccountId = Annotated[int, Path(ge=1, le=BIGINT, examples=[59808])]
_KNOWN = MALFORMED | problems({404: "No such account"})
_HOSTAWAY = WITH_BODY | problems(
    {
        422: "A value is invalid, or Hostaway does not accept the secret",
        502: "Hostaway does not answer; nothing was changed",
        503: "The database is unavailable, or Hostaway's rate limit is reached; nothing was changed",
    }
)
_EXISTS = problems({409: "The account exists already"})
_BUSY = problems({409: "A sync is running"})
router = APIRouter(prefix="/accounts", tags=["accounts"], dependencies=[ApiKey], responses=GUARDED)


@router.post("", status_code=201, responses=_HOSTAWAY | _EXISTS, summary="Add an account")
def add(services: ServicesDep, new: NewAccount, response: Response) -> Created:
    """Checks the credentials with Hostaway, stores them encrypted, registers the webhook and starts the first sync."""
    services.secrets.check()  # a first secret must not be stored without a record of its key
    secret = new.client_secret.get_secret_value()
    try:
        added = add_account(
            services, new.account_id, secret, name=new.name, customer_id=new.customer_id, is_due=new.sync
        )
    except AccountError as error:
        raise HTTPException(409, str(error)) from None
    response.headers["Location"] = f"/accounts/{new.account_id}"
    shown = detail(services, new.account_id)
    return Created(**shown.model_dump(), webhook_problem=added.webhook_problem)


@router.get("", summary="All accounts")
def list_accounts(services: ServicesDep) -> list[AccountSummary]:
    own = services.cadences.own()
    return [summary(entry, own.get(entry.account.account_id, {})) for entry in services.accounts.overview()]


@router.get("/{account_id}", responses=_KNOWN, summary="One account: status, last sync, row counts, webhook")
def show(services: ServicesDep, account_id: AccountId) -> AccountDetail:
    return detail(services, account_id)


@router.put("/{account_id}", responses=_KNOWN | _HOSTAWAY, summary="Replace secret and name")
def replace(services: ServicesDep, account_id: AccountId, new: AccountReplacement) -> AccountDetail:
    services.secrets.check()
    change_secret(services, account_id, new.client_secret.get_secret_value())
    services.accounts.rename(account_id, new.name)
    return detail(services, account_id)


@router.patch("/{account_id}", responses=_KNOWN | _HOSTAWAY, summary="Change secret, name or schedule")
def update(services: ServicesDep, account_id: AccountId, changes: Annotated[AccountUpdate, Body()]) -> AccountDetail:
    services.accounts.get(account_id)
    if changes.client_secret is not None:
        services.secrets.check()
        change_secret(services, account_id, changes.client_secret.get_secret_value())
    if "name" in changes.model_fields_set:
        services.accounts.rename(account_id, changes.name)
    if changes.schedule is not None:
        services.cadences.schedule(account_id, changes.schedule.parsed())
    return detail(services, account_id)


@router.delete("/{account_id}", responses=_KNOWN, summary="Stop syncing an account")
def remove(
    services: ServicesDep,
    account_id: AccountId,
    hard: Annotated[bool, Query(description="Also delete its rows from every table")] = False,
) -> Removed:
    problem = remove_account(services, account_id, hard=hard)
    return Removed(account_id=account_id, rows_deleted=hard, webhook_problem=problem)


@router.post(
    "/{account_id}/sync",
    status_code=202,
    responses=_KNOWN | _BUSY | {200: {"model": DryRun, "description": "What would change"}},
    summary="Start a sync",
)
def sync(
    services: ServicesDep,
    account_id: AccountId,
    response: Response,
    mode: Annotated[Mode, Query(description="full: all messages; refresh: no deletions")] = "reconcile",
    dry_run: Annotated[bool, Query(description="Read now, report what would change, and write nothing")] = False,
) -> SyncAsked | DryRun:
    """Dagster starts it within seconds. A dry run happens within this request, which is answered at its end."""
    services.accounts.get(account_id)
    if dry_run:
        response.status_code = 200
        return _dry_run(services, account_id, mode)
    services.cadences.request(account_id, mode)
    return SyncAsked(account_id=account_id, mode=mode)


def _dry_run(services: Services, account_id: int, mode: Mode) -> DryRun:
    report = pull(services, PullRequest(account_id, mode=mode, source="api", dry_run=True))
    return DryRun(mode=mode, error=public_message(report.error) if report.error else None, **report.as_dict())
