"""To which account and conversation a message goes: what the tables know, else what Hostaway says, within bounds."""

import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from hostaway_pipeline.client.answers import Page
from hostaway_pipeline.client.endpoints import conversations_of, object_path
from hostaway_pipeline.domain.entities import CONVERSATIONS, RESERVATIONS, Row
from hostaway_pipeline.domain.values import as_int
from hostaway_pipeline.errors import MessageNotSent, NotFound, PipelineError
from hostaway_pipeline.services import Services

# Of how many accounts it is asked whose reservation it is, and for how many seconds in all.
_MOST_ACCOUNTS_ASKED = 5
_SECONDS_ASKING = 10.0


def account_of(services: Services, reservation_id: int, account_id: int | None) -> int:
    """Raises MessageNotSent (`unknown`, `ambiguous`, `account_needed`, `unasked`), AccountError for an unknown one."""
    if account_id is not None:
        return services.accounts.get(account_id).account_id
    found = services.lookup.accounts_of_reservation(reservation_id) or _asked(services, reservation_id)
    if len(found) > 1:
        raise MessageNotSent(
            f"accounts {found} have reservation {reservation_id}: say which as account_id", "ambiguous"
        )
    return found[0]


def conversation_of(services: Services, account_id: int, reservation_id: int) -> tuple[int, Row | None]:
    """The conversation in which the guest wrote last; with its row when only Hostaway knew it.

    Raises MessageNotSent (`unknown`) when there is none, or an ApiError.
    """
    known = services.lookup.conversation_of_reservation(account_id, reservation_id)
    if known is not None:
        return known, None
    with services.interactive_client(account_id) as client:
        try:
            page = next(client.pages(conversations_of(reservation_id)))
        except NotFound:
            page = Page([], 0)
    newest = max(page.rows, key=lambda row: str(row.get("messageReceivedOn") or ""), default={})
    conversation_id = as_int(newest.get("id"))
    if conversation_id is None:
        raise MessageNotSent(f"reservation {reservation_id} has no conversation to write to", "unknown")
    return conversation_id, CONVERSATIONS.row(newest, page.read_at)


def _asked(services: Services, reservation_id: int) -> list[int]:
    active = [account.account_id for account in services.accounts.active()]
    if len(active) > _MOST_ACCOUNTS_ASKED:
        raise MessageNotSent(
            f"reservation {reservation_id} is in no table yet, and {len(active)} accounts are too many to ask: "
            f"say whose it is as account_id",
            "account_needed",
        )
    answers = _ask_all(services, active, reservation_id)
    found = [account_id for account_id in active if answers.get(account_id) is True]
    unasked = [account_id for account_id in active if answers.get(account_id) is None]
    if not found and unasked:
        raise MessageNotSent(
            f"no account that could be asked has reservation {reservation_id}, but {unasked} could not be asked: "
            f"repeat later, or say whose it is as account_id",
            "unasked",
        )
    if not found:
        raise MessageNotSent(f"no account has reservation {reservation_id}", "unknown")
    return found


def _ask_all(services: Services, account_ids: Sequence[int], reservation_id: int) -> dict[int, bool | None]:
    """Side by side, so that one account that hangs costs the others nothing; None for one that gave no answer.

    Threads that are still waiting at the end go on for as long as a request may, and hold up no process that ends.
    """
    answers: SimpleQueue[tuple[int, bool | None]] = SimpleQueue()
    for account_id in account_ids:
        arguments = (services, account_id, reservation_id, answers)
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
    services: Services, account_id: int, reservation_id: int, answers: "SimpleQueue[tuple[int, bool | None]]"
) -> None:
    """One account's failure, be it Hostaway's, a wrong secret or one that cannot be opened, is no answer."""
    has_it: bool | None = None
    try:
        with services.interactive_client(account_id) as client:
            client.one(object_path(RESERVATIONS, reservation_id))
        has_it = True
    except NotFound:
        has_it = False
    except PipelineError:
        pass
    finally:
        answers.put((account_id, has_it))
