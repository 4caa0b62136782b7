"""Finds the account and the conversation a message goes to: in the tables, else at Hostaway, within bounds."""

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from hostaway_pipeline.client.answers import Page
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import conversations_of, object_path
from hostaway_pipeline.domain.entities import CONVERSATIONS, RESERVATIONS, Row
from hostaway_pipeline.domain.values import as_int
from hostaway_pipeline.errors import MessageNotSent, NotFound, PipelineError
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.copy.lookup import Lookup

OpenClient = Callable[[int], HostawayClient]
# Bounds on asking Hostaway which account has a reservation: accounts asked, and seconds in all.
_MAX_ACCOUNTS_ASKED = 5
_SECONDS_ASKING = 10.0


def account_of(services: Services, reservation_id: int, account_id: int | None) -> int:
    """The account that has the reservation.

    Raises MessageNotSent (`unknown`, `ambiguous`, `account_needed`, `unasked`), or AccountError when `account_id` names
    an unknown account.
    """
    if account_id is not None:
        return services.accounts.get(account_id).account_id
    matches = services.lookup.accounts_of_reservation(reservation_id)
    if not matches:
        active = [account.account_id for account in services.accounts.active()]
        matches = _ask_accounts(services.interactive_client, active, reservation_id)
    if len(matches) > 1:
        raise MessageNotSent(
            f"accounts {matches} have reservation {reservation_id}: say which as account_id", "ambiguous"
        )
    return matches[0]


def conversation_of(
    lookup: Lookup, open_client: OpenClient, account_id: int, reservation_id: int
) -> tuple[int, Row | None]:
    """The conversation in which the guest wrote last, and its row when only Hostaway knew it.

    Raises MessageNotSent (`unknown`) when there is none, or an ApiError.
    """
    known = lookup.conversation_of_reservation(account_id, reservation_id)
    if known is not None:
        return known, None
    with open_client(account_id) as client:
        try:
            page = next(client.pages(conversations_of(reservation_id)))
        except NotFound:
            page = Page([], 0)
    newest = max(page.rows, key=lambda row: str(row.get("messageReceivedOn") or ""), default={})
    conversation_id = as_int(newest.get("id"))
    if conversation_id is None:
        raise MessageNotSent(f"reservation {reservation_id} has no conversation to write to", "unknown")
    return conversation_id, CONVERSATIONS.row(newest, page.read_at)


def _ask_accounts(open_client: OpenClient, active: list[int], reservation_id: int) -> list[int]:
    """The accounts at which Hostaway finds the reservation: at least one."""
    if len(active) > _MAX_ACCOUNTS_ASKED:
        raise MessageNotSent(
            f"reservation {reservation_id} is in no table yet, and {len(active)} accounts are too many to ask: "
            f"say whose it is as account_id",
            "account_needed",
        )
    answers = _ask_in_parallel(open_client, active, reservation_id)
    matches = [account_id for account_id in active if answers.get(account_id) is True]
    unasked = [account_id for account_id in active if answers.get(account_id) is None]
    if not matches and unasked:
        raise MessageNotSent(
            f"no account that could be asked has reservation {reservation_id}, but {unasked} could not be asked: "
            f"repeat later, or say whose it is as account_id",
            "unasked",
        )
    if not matches:
        raise MessageNotSent(f"no account has reservation {reservation_id}", "unknown")
    return matches


def _ask_in_parallel(
    open_client: OpenClient, account_ids: Sequence[int], reservation_id: int
) -> dict[int, bool | None]:
    """Whether each account has the reservation; None or no entry for one that did not answer.

    In parallel, so that an account that hangs does not delay the others. The threads are daemons: one that still waits
    at the deadline runs until its request times out, and does not keep the process from ending.
    """
    answers: SimpleQueue[tuple[int, bool | None]] = SimpleQueue()
    for account_id in account_ids:
        arguments = (open_client, account_id, reservation_id, answers)
        threading.Thread(target=_ask, args=arguments, daemon=True).start()
    deadline, known = time.monotonic() + _SECONDS_ASKING, dict[int, bool | None]()
    while len(known) < len(account_ids):
        try:
            account_id, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        known[account_id] = answer
    return known


def _ask(
    open_client: OpenClient,
    account_id: int,
    reservation_id: int,
    answers: "SimpleQueue[tuple[int, bool | None]]",
) -> None:
    """Any failure of one account, be it Hostaway's or a secret that is wrong or cannot be decrypted, is no answer."""
    has_it: bool | None = None
    try:
        with open_client(account_id) as client:
            client.get_object(object_path(RESERVATIONS, reservation_id))
        has_it = True
    except NotFound:
        has_it = False
    except PipelineError:
        pass
    finally:
        answers.put((account_id, has_it))
