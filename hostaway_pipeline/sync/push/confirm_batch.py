"""One account's batch of reads by id: asked for, applied, and whose fault it is where one fails.

A failure is the object's own: the others are applied. The account is blamed only when a call of one listing fails, too.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TypeVar

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import object_path
from hostaway_pipeline.domain.breaker import FAILURES_THAT_OPEN, pause_after
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS, MESSAGES, Entity
from hostaway_pipeline.domain.vocabulary import EventStatus
from hostaway_pipeline.errors import (
    Aborted,
    AccountError,
    ApiError,
    DatabaseUnavailable,
    InvalidCredentials,
    NotFound,
    PermanentApiError,
    RateLimited,
    kind_of,
)
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account
from hostaway_pipeline.store.copy.push_writer import ChangeSet
from hostaway_pipeline.store.inbox import EventOutcome
from hostaway_pipeline.sync.by_id import read_by_id
from hostaway_pipeline.sync.push.apply import Applied, Confirmation

K = TypeVar("K")
Answer = ApiObject | ApiError
OpenClient = Callable[..., AbstractContextManager[HostawayClient]]
_OBJECTS_AT_ONCE = 8
# Seconds until an account whose API failed is asked again, doubling with each failure in a row.
_FIRST_WAIT, _LONGEST_WAIT = 5.0, 600.0
_OF_THE_ACCOUNT = (InvalidCredentials, RateLimited, Aborted)


def confirm_batch(
    services: Services, account_id: int, batch: list[Confirmation], client: OpenClient, unreadable: set[tuple[int, int]]
) -> Applied:
    """Read the objects and apply them. Raises DatabaseUnavailable; whatever else goes wrong stays with its events.

    `unreadable` learns of listings that Hostaway does not show.
    """
    try:
        account = services.accounts.get(account_id)
    except AccountError as error:  # removed since its events were claimed
        services.inbox.record_outcomes([EventOutcome(one, "ignored", str(error)) for one in _all_ids(batch)])
        return Applied(account_id)
    try:
        account.require_unpaused(datetime.now(UTC))
    except AccountError as error:
        return _postponed(services, account_id, batch, error, seconds=_until_unpaused(account))
    work = _Batch(services, account, client)
    try:
        work.read(batch)
    except Aborted:  # the drainer leaves, and gives back what it holds
        return Applied(account_id, api_calls=work.api_calls)
    return _applied(services, account, batch, work, unreadable)


class _Batch:
    """`answers` by object, as far as they came, none older than `asked_at`. `error`: why the account is silent."""

    def __init__(self, services: Services, account: Account, client: OpenClient) -> None:
        self._services = services
        self._account = account
        self._client = client
        self._probing = threading.Lock()
        self._is_alive = False
        self._silence: ApiError | None = None  # what the probe came to, if it failed
        self.asked_at = services.database.now()
        self.missing: set[int] = set()  # conversations that are not here
        self.answers: dict[tuple[str, int], Answer] = {}
        self.error: ApiError | None = None
        self.api_calls = 0

    def read(self, batch: list[Confirmation]) -> None:
        """Raises Aborted. An account that failed before is asked for one listing first: a dead one costs one call."""
        tables = self._services.push_writer(self._account)
        parents = {r.conversation_id for r in batch if r.entity is MESSAGES and r.conversation_id is not None}
        self.missing = parents - tables.alive(CONVERSATIONS, parents)
        with self._client(self._account.account_id) as client:
            try:
                if self._account.failures:
                    self._probe()
                self._read_all(
                    client, {_key(CONVERSATIONS, one): object_path(CONVERSATIONS, one) for one in self.missing}
                )
                lost = {
                    one for one in self.missing if not isinstance(self.answers.get(_key(CONVERSATIONS, one)), ApiObject)
                }
                wanted = [r for r in batch if _needs_read(r) and r.conversation_id not in lost]
                self._read_all(client, {r.key: object_path(r.entity, r.object_id, r.conversation_id) for r in wanted})
            except Aborted:
                raise
            except ApiError as error:
                self.error = error
            finally:
                self.api_calls += client.stats.api_calls

    def has_answered(self, confirmation: Confirmation) -> bool:
        """Whether everything that the object's events wait for has come, be it a refusal."""
        if confirmation.entity is MESSAGES and confirmation.conversation_id in self.missing:
            parent = self.answers.get(_key(CONVERSATIONS, confirmation.conversation_id))
            if not isinstance(parent, ApiObject):
                return parent is not None
        return confirmation.key in self.answers or not _needs_read(confirmation)

    def _read_all(self, client: HostawayClient, paths: dict[tuple[str, int], str]) -> None:
        """Raises what is the account's fault, once no request is under way any more."""
        failure: ApiError | None = None
        with ThreadPoolExecutor(_OBJECTS_AT_ONCE, "object") as pool:
            futures = {pool.submit(self._read_one, client, path): key for key, path in paths.items()}
            for future in as_completed(futures):
                try:
                    self.answers[futures[future]] = future.result()
                except ApiError as error:
                    failure = failure or error
                    client.abort()
        if failure is not None:
            raise failure

    def _read_one(self, client: HostawayClient, path: str) -> Answer:
        try:
            return read_by_id(client, path)
        except _OF_THE_ACCOUNT:
            raise
        except ApiError as error:
            self._probe()
            return error

    def _probe(self) -> None:
        """Raises an ApiError when not even one listing is answered; asked once for all objects of the batch."""
        with self._probing:
            if self._silence is not None:
                raise self._silence
            if self._is_alive:
                return
            with self._client(self._account.account_id, is_probe=True) as client:
                try:
                    client.probe()
                except ApiError as error:
                    self._silence = error
                    raise
                finally:
                    self.api_calls += client.stats.api_calls
            self._is_alive = True


def _applied(
    services: Services, account: Account, batch: list[Confirmation], work: _Batch, unreadable: set[tuple[int, int]]
) -> Applied:
    answered = [confirmation for confirmation in batch if work.has_answered(confirmation)]
    postponed = [confirmation for confirmation in batch if confirmation not in answered]
    applied = _apply_answers(services, account, answered, work, unreadable)
    applied.api_calls = work.api_calls
    if postponed:
        error = work.error or ApiError("it was not asked for")
        _postponed(services, account.account_id, postponed, error, seconds=_wait_after(account.failures + 1))
        applied.error = error
        if work.error is not None:
            _note_failure(services, account, work.error)
    return applied


def _apply_answers(
    services: Services,
    account: Account,
    batch: list[Confirmation],
    work: _Batch,
    unreadable: set[tuple[int, int]],
) -> Applied:
    """In one transaction; if that fails, each alone, so that what one object breaks stops no other."""
    applied = Applied(account.account_id)
    if not batch:
        return applied
    tables = services.push_writer(account)
    services.inbox.begin(_all_ids(batch))
    try:
        changes = ChangeSet(asked_at=work.asked_at)
        for confirmation in batch:
            answer = _take(changes, confirmation, work.answers)
            if confirmation.entity is LISTINGS and isinstance(answer, PermanentApiError):
                unreadable.add((account.account_id, confirmation.object_id))
            applied.events.setdefault(confirmation.entity.name, []).extend(confirmation.all_ids)
        applied.counts = tables.apply(changes)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 (whatever one object can break must not stop the others)
        if len(batch) == 1:
            failed = [EventOutcome(one, "pending", kind_of(error), is_attempt=True) for one in _all_ids(batch)]
            services.inbox.record_outcomes(failed)
            return Applied(account.account_id)
        for confirmation in batch:
            applied = applied.joined(_apply_answers(services, account, [confirmation], work, unreadable))
    return applied


def _take(changes: ChangeSet, confirmation: Confirmation, answers: dict[tuple[str, int], Answer]) -> Answer | None:
    """What one object's answer comes to: a row to merge, a tombstone, and the ends of its events."""
    parent = answers.get(_key(CONVERSATIONS, confirmation.conversation_id)) if confirmation.entity is MESSAGES else None
    if isinstance(parent, ApiObject) and (row := CONVERSATIONS.row(parent.payload, parent.read_at)) is not None:
        changes.reads[CONVERSATIONS.name].append(row)
    answer = parent if isinstance(parent, ApiError) else answers.get(confirmation.key)
    key = _key(CONVERSATIONS, confirmation.conversation_id) if isinstance(parent, ApiError) else confirmation.key
    if isinstance(answer, NotFound):
        changes.gone[key[0]].add(key[1])
        changes.gone_by |= dict.fromkeys(confirmation.all_ids, key)
    elif isinstance(answer, ApiObject):
        if (row := confirmation.entity.row(answer.payload, answer.read_at)) is not None:
            changes.reads[confirmation.entity.name].append(row)
    elif answer is None and confirmation.verdict is not None and confirmation.verdict.row is not None:
        changes.rows[confirmation.entity.name].append(confirmation.verdict.row)
    changes.outcomes += [_outcome(event_id, answer, "applied") for event_id in confirmation.event_ids]
    changes.outcomes += [_outcome(event_id, answer, "stale") for event_id in confirmation.late_ids]
    return answer


def _outcome(event_id: int, answer: Answer | None, status: EventStatus) -> EventOutcome:
    if answer is None or isinstance(answer, ApiObject | NotFound):
        return EventOutcome(event_id, status)
    if isinstance(answer, PermanentApiError):
        return EventOutcome(event_id, "failed", str(answer))
    return EventOutcome(event_id, "pending", str(answer), is_attempt=True)


def _postponed(
    services: Services, account_id: int, batch: list[Confirmation], error: AccountError | ApiError, *, seconds: float
) -> Applied:
    """Not the events' fault: they wait, however long it takes."""
    waiting = [EventOutcome(one, "pending", str(error), again_in=seconds) for one in _all_ids(batch)]
    services.inbox.record_outcomes(waiting)
    return Applied(account_id, error=error)


def _note_failure(services: Services, account: Account, error: ApiError) -> None:
    """Once the breaker opens, an ordinary run of this account is asked for: it shows red, with the reason.

    A limit that was hit is nobody's failure: the limiter has paused the account.
    """
    if isinstance(error, RateLimited):
        return
    is_permanent = isinstance(error, PermanentApiError)
    pause = pause_after(account.failures + 1, is_permanent=is_permanent)
    services.accounts.mark_failed(account.account_id, pause=pause)
    if pause is not None and account.failures + 1 <= FAILURES_THAT_OPEN:
        services.accounts.ask_for_sync(account.account_id)


def _needs_read(confirmation: Confirmation) -> bool:
    return confirmation.verdict is None or confirmation.verdict.row is None


def _key(entity: Entity, object_id: int | None) -> tuple[str, int]:
    return entity.name, object_id or 0


def _all_ids(batch: Iterable[Confirmation]) -> list[int]:
    return [event_id for confirmation in batch for event_id in confirmation.all_ids]


def _wait_after(failures: int) -> float:
    return float(min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(failures - 1, 10)))


def _until_unpaused(account: Account) -> float:
    now = datetime.now(UTC)
    return max(1.0, ((account.paused_until or now) - now).total_seconds())
