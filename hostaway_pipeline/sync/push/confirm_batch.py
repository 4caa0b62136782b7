"""Confirms one account's batch: reads its objects by id, applies the answers, and decides whose fault a failure is.

An object's failure is its own: the others are applied. The account is at fault only if reading one listing fails, too.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from hostaway_pipeline.client.answers import ApiObject
from hostaway_pipeline.client.client import HostawayClient
from hostaway_pipeline.client.endpoints import object_path
from hostaway_pipeline.domain.breaker import pause_after
from hostaway_pipeline.domain.entities import CONVERSATIONS, LISTINGS
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
    class_and_place,
)
from hostaway_pipeline.services import Services
from hostaway_pipeline.store.accounts.accounts import Account, Accounts
from hostaway_pipeline.store.copy.push_writer import ChangeSet, PushWriter
from hostaway_pipeline.store.inbox import EventOutcome, Inbox
from hostaway_pipeline.sync.by_id import read_by_id
from hostaway_pipeline.sync.push.apply import Applied, Confirmation

Key = tuple[str, int]  # an entity's name and an object's id
Answer = ApiObject | ApiError
OpenClient = Callable[..., AbstractContextManager[HostawayClient]]
_OBJECTS_AT_ONCE = 8
# Seconds until an account whose API failed is tried again; doubles with each failure in a row.
_FIRST_WAIT, _MAX_WAIT = 5.0, 600.0
_OF_THE_ACCOUNT = (InvalidCredentials, RateLimited, Aborted)


def confirm_batch(services: Services, account_id: int, batch: list[Confirmation], open_client: OpenClient) -> Applied:
    """Read the objects and apply them. Raises DatabaseUnavailable; any other failure is recorded with its events."""
    try:
        account = services.accounts.get(account_id)
    except AccountError as error:  # removed since its events were claimed
        _record(services.inbox, batch, "ignored", str(error))
        return Applied(account_id)
    now = datetime.now(UTC)
    try:
        account.require_unpaused(now)
    except AccountError as error:
        _postpone(services.inbox, batch, error, max(1.0, account.pause_left(now).total_seconds()))
        return Applied(account_id, error=error)
    reader = _BatchReader(account, services.push_writer(account), open_client, services.database.now())
    try:
        reader.read(batch)
    except Aborted:  # the drainer ends, and releases what it has claimed
        return Applied(account_id, api_calls=reader.api_calls)
    return _apply(services, account, batch, reader)


class _BatchReader:
    """`answers` by object, as far as they arrived, none older than `asked_at`. `error`: the account's failure."""

    def __init__(self, account: Account, writer: PushWriter, open_client: OpenClient, asked_at: datetime) -> None:
        self._account = account
        self._writer = writer
        self._open_client = open_client
        self._probe_lock = threading.Lock()
        self._probe_error: ApiError | None = None
        self._is_alive = False  # the probe has succeeded
        self.asked_at = asked_at
        self.missing: set[int] = set()  # conversations that are not stored
        self.answers: dict[Key, Answer] = {}
        self.error: ApiError | None = None
        self.api_calls = 0

    def read(self, batch: list[Confirmation]) -> None:
        """Raises Aborted. An account that failed before is probed first, so that a dead one costs one call."""
        parents = {c.conversation_id for c in batch if c.conversation_id is not None}
        self.missing = parents - self._writer.alive(CONVERSATIONS, parents)
        with self._open_client(self._account.account_id) as client:
            try:
                if self._account.failures:
                    self._probe()
                paths = {(CONVERSATIONS.name, parent): object_path(CONVERSATIONS, parent) for parent in self.missing}
                self._read_all(client, paths)
                wanted = [c for c in batch if c.needs_read and not self._lacks_parent(c)]
                self._read_all(client, {c.key: object_path(c.entity, c.object_id, c.conversation_id) for c in wanted})
            except Aborted:
                raise
            except ApiError as error:
                self.error = error
            finally:
                self.api_calls += client.stats.api_calls

    def has_answered(self, confirmation: Confirmation) -> bool:
        """Whether every answer that the object's events wait for has arrived, a refusal included."""
        if self._lacks_parent(confirmation):
            return confirmation.parent_key in self.answers
        return confirmation.key in self.answers or not confirmation.needs_read

    def _lacks_parent(self, confirmation: Confirmation) -> bool:
        """Whether a message's conversation is neither stored nor read."""
        is_missing = confirmation.conversation_id in self.missing
        return is_missing and not isinstance(self.answers.get(confirmation.parent_key), ApiObject)

    def _read_all(self, client: HostawayClient, paths: dict[Key, str]) -> None:
        """Raises the account's failure, once no request is under way any more."""
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
        """Raises an ApiError when the account's API does not answer. Sends one request per batch, whoever calls."""
        with self._probe_lock:
            if self._probe_error is not None:
                raise self._probe_error
            if self._is_alive:
                return
            with self._open_client(self._account.account_id, is_probe=True) as client:
                try:
                    client.probe()
                except ApiError as error:
                    self._probe_error = error
                    raise
                finally:
                    self.api_calls += client.stats.api_calls
            self._is_alive = True


def _apply(services: Services, account: Account, batch: list[Confirmation], reader: _BatchReader) -> Applied:
    answered = [confirmation for confirmation in batch if reader.has_answered(confirmation)]
    unanswered = [confirmation for confirmation in batch if confirmation not in answered]
    applied = _apply_answers(services.inbox, services.push_writer(account), answered, reader)
    applied.api_calls = reader.api_calls
    if unanswered:
        applied.error = reader.error or ApiError("it was not requested")
        _postpone(services.inbox, unanswered, applied.error, _wait_after(account.failures + 1))
        if reader.error is not None:
            _record_failure(services.accounts, account, reader.error)
    return applied


def _apply_answers(inbox: Inbox, writer: PushWriter, batch: list[Confirmation], reader: _BatchReader) -> Applied:
    """In one transaction; if that fails, each object in its own, so that one that cannot be applied stops no other."""
    applied = Applied(writer.account_id)
    if not batch:
        return applied
    inbox.begin(_all_ids(batch))
    try:
        changes = ChangeSet(asked_at=reader.asked_at)
        for confirmation in batch:
            answer = _add_changes(changes, confirmation, reader.answers)
            if confirmation.entity is LISTINGS and isinstance(answer, PermanentApiError):
                applied.unreadable_listings.add(confirmation.object_id)
            applied.events.setdefault(confirmation.entity.name, []).extend(confirmation.all_ids)
        applied.counts = writer.apply(changes)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 (whatever one object can break must not stop the others)
        applied = Applied(writer.account_id)
        if len(batch) == 1:
            _record(inbox, batch, "pending", class_and_place(error), is_attempt=True)
            return applied
        for confirmation in batch:
            applied = applied.joined(_apply_answers(inbox, writer, [confirmation], reader))
    return applied


def _add_changes(changes: ChangeSet, confirmation: Confirmation, answers: dict[Key, Answer]) -> Answer | None:
    """Add what an object's answer amounts to: rows to merge or a tombstone, and its events' outcomes."""
    key, answer = confirmation.key, answers.get(confirmation.key)
    parent = None if confirmation.conversation_id is None else answers.get(confirmation.parent_key)
    if isinstance(parent, ApiError):
        key, answer = confirmation.parent_key, parent
    elif parent is not None and (row := CONVERSATIONS.row(parent.payload, parent.read_at)) is not None:
        changes.reads[CONVERSATIONS.name].append(row)
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


def _postpone(inbox: Inbox, batch: list[Confirmation], error: AccountError | ApiError, seconds: float) -> None:
    """Let the events wait. The account is at fault, so they do not use up an attempt."""
    _record(inbox, batch, "pending", str(error), again_in=seconds)


def _record(inbox: Inbox, batch: list[Confirmation], status: EventStatus, reason: str, **options: Any) -> None:
    """Give all events of the batch the same outcome."""
    inbox.record_outcomes([EventOutcome(event_id, status, reason, **options) for event_id in _all_ids(batch)])


def _record_failure(accounts: Accounts, account: Account, error: ApiError) -> None:
    """Count the failure. A rate limit is none: the limiter has paused the account already."""
    if isinstance(error, RateLimited):
        return
    pause = pause_after(account.failures + 1, is_permanent=isinstance(error, PermanentApiError))
    accounts.mark_failed(account.account_id, pause=pause)


def _all_ids(batch: list[Confirmation]) -> list[int]:
    return [event_id for confirmation in batch for event_id in confirmation.all_ids]


def _wait_after(failures: int) -> float:
    return float(min(_MAX_WAIT, _FIRST_WAIT * 2 ** min(failures - 1, 10)))
